#!/bin/sh
# Builds the collector of collector/builder.yaml with the OpenTelemetry Collector Builder, into collector/build/.
# Does nothing where that manifest has been built. Exit status 3: there is no Go, or one that is too old.
#
#   collector/build.sh
#
# GO names the go command; GOFLAGS=-p=1 builds on one core only.
set -eu
cd "$(dirname "$0")"

go=${GO:-go}
oldest=1.26
manifest=builder.yaml
made=build/rlhf-otelcol
release=$(sed -n 's/^  version: //p' "$manifest")

if [ -x "$made" ] && cmp -s "$manifest" build/made-from; then
    exit 0
fi
if ! command -v "$go" >/dev/null 2>&1; then
    echo "the collector is not built: there is no Go here. Install Go $oldest or later (https://go.dev/dl/)," \
        "or name its command: GO=/usr/local/go/bin/go make collector" >&2
    exit 3
fi
# Asked of Go itself, which may take another toolchain than its own when it is told to.
version=$("$go" env GOVERSION | sed 's/^go//')
minor=$(echo "$version" | sed -n 's/^1\.\([0-9]*\).*/\1/p')
if [ -n "$minor" ] && [ "$minor" -lt "${oldest#1.}" ]; then
    echo "the collector is not built: release $release needs Go $oldest or later, and this is $version ($go)" >&2
    exit 3
fi

echo "building the OpenTelemetry Collector $release with Go $version, which takes some minutes the first time ..." >&2
mkdir -p build
# A build that was cut short must not be taken for one that is done.
rm -f build/made-from "$made"
sed "s|^  output_path:.*|  output_path: $PWD/build/source|" "$manifest" > build/builder.yaml
build() {
    GOBIN="$PWD/build/bin" "$go" install "go.opentelemetry.io/collector/cmd/builder@v$release" &&
        PATH="$(dirname "$(command -v "$go")"):$PATH" build/bin/builder --config build/builder.yaml
}
# Once more where it fails: most of what can go wrong is the network.
if ! build > build/log 2>&1 && ! build > build/log 2>&1; then
    tail -20 build/log >&2
    echo "the collector could not be built; all that was said is in $PWD/build/log" >&2
    exit 1
fi
mv build/source/rlhf-otelcol "$made"
cp "$manifest" build/made-from
echo "built $PWD/$made" >&2
