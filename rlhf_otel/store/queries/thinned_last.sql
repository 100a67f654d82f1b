SELECT max(before_ns) FROM thinned
