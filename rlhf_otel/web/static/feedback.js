// <rlhf-feedback token="..."> asks what a person thinks of an answer; marked elements tell what they did with it.
// Part of rlhf-otel, MIT. What may be set and marked: docs/widget.md. Nothing here ever throws into the page, and
// nothing needs more of a Content-Security-Policy than this script and its server. Comments stand on lines of their own:
// they are not sent.
(() => {
"use strict";
try {
if (customElements.get("rlhf-feedback")) return;

const script = document.currentScript ?? document.querySelector('script[src*="feedback.js"]');
const NAME = "user_feedback", SHELF = "rlhf-otel:", MOST_BYTES = 15e3, MOST_KEPT = 200;
const SEEN = "device platform language time-zone viewport screen";
const TEXTS = {
  label: "Rate this answer", up: "Good", down: "Bad", star: "{n} of {of} stars", step: "Step {n}",
  comment: "Comment", placeholder: "What was good, what was not?", send: "Send",
  given: "", sent: "Thank you", removed: "Taken back", queued: "Kept until it can be sent", refused: "This could not be saved",
};

const safely = (act) => (...given) => {
  try { return act(...given); } catch (error) { console.debug("rlhf-feedback:", error); }
};
const listen = (where, kind, act) => where.addEventListener(kind, safely(act), true);

// What an element says, else the script's tag for all of them: `text-up`, or `data-text-up` there.
const option = (element, name) => element?.getAttribute(name) ?? script?.getAttribute("data-" + name);

// ---- what leaves the page

const CONTEXT = {
  device: () => !matchMedia("(pointer: coarse)").matches ? "desktop"
    : Math.min(screen.width, screen.height) < 600 ? "phone" : "tablet",
  platform: () => navigator.userAgentData?.platform || navigator.platform,
  language: () => navigator.language,
  "time-zone": () => Intl.DateTimeFormat().resolvedOptions().timeZone,
  viewport: () => innerWidth + "x" + innerHeight,
  screen: () => screen.width + "x" + screen.height,
  "user-agent": () => navigator.userAgent,
  page: () => location.origin + location.pathname,
  referrer: () => document.referrer.replace(/[?#].*/, ""),
};
const context = (element) => Object.fromEntries(
  (option(element, "context") ?? SEEN).split(/[\s,]+/).filter((word) => Object.hasOwn(CONTEXT, word))
    .map((word) => [word.replace("-", "_"), safely(CONTEXT[word])()]).filter(([, value]) => value));

// What waits to be sent, by the call and what is said of it: of one vote only the newest waits. On the disk too.
const queue = new Map();
let underWay = [], fails = 0, count = 0, left = false, timer;

const size = (value) => new Blob([JSON.stringify(value)]).size;
const endpoint = (element) => new URL(option(element, "endpoint") ?? "v1/feedback", script?.src || document.baseURI).href;
const drop = (key) => {
  queue.delete(key);
  safely(() => localStorage.removeItem(SHELF + key))();
};
const tell = (from, status, { token, ...detail }) => (from ?? document).dispatchEvent(new CustomEvent(
  "rlhf-feedback", { bubbles: true, composed: true, cancelable: status === "given", detail: { status, ...detail } }));

// Says something of the call that a token is for; of the same thing only the last that is said counts.
const say = safely((token, given, from) => {
  const { signal, name = NAME, step = "" } = given, rater = option(from, "rater") ?? undefined;
  const about = [signal ?? name, step].filter((part) => part !== "").join(":");
  // With the mark of a later version, as the server gives it to a PUT: whoever sends it twice has said it once.
  const id = `${rater ? rater + ":" : ""}${about}#${Date.now()}${String(count++ % 1e6).padStart(6, 0)}`;
  const said = { ...given, token, rater, id, metadata: { ...context(from), ...given.metadata } };
  // Half of a text would teach something wrong.
  if (size(said) > MOST_BYTES) delete said.correction;
  // The page may take it instead.
  if (!tell(from, "given", said)) return;
  const key = token.slice(12, 40) + about, item = { said, url: endpoint(from) };
  safely(() => localStorage.setItem(SHELF + key, JSON.stringify(item)))();
  queue.set(key, { ...item, from });
  if (queue.size > MOST_KEPT) drop(queue.keys().next().value);
  // Whoever goes through the stars with the arrow keys means the last.
  soon(fails ? pause() : 250);
});
const soon = (ms) => {
  clearTimeout(timer);
  timer = setTimeout(flush, ms);
};
const pause = () => Math.min(500 * 2 ** fails, 3e5) * (0.75 + Math.random() / 2);

// As much as goes to one place at once, and is not on its way: text, so that no browser first asks whether it may.
const batch = () => {
  const waiting = [...queue].filter(([, item]) => !underWay.includes(item)), [first] = waiting;
  let bytes = 0;
  const taken = waiting.filter((each) => each[1].url === first[1].url
    && ((bytes += size(each[1].said) + 1) < MOST_BYTES || each === first));
  underWay.push(...taken.map(([, item]) => item));
  return first && { taken, url: first[1].url, body: JSON.stringify({ feedback: taken.map(([, { said }]) => said) }) };
};
const flush = safely(async () => {
  if (left || underWay.length || !queue.size) return;
  const { taken, url, body } = batch();
  let codes = [], asked = 0;
  try {
    const answer = await fetch(url, { method: "POST", body, keepalive: true, credentials: "omit" });
    codes = answer.ok ? (await answer.json()).results.map(({ error }) => error?.code) : taken.map(() => answer.status);
    asked = 1000 * answer.headers.get("retry-after") || 0;
  } catch { codes = taken.map(() => 503); }
  underWay = [];
  let again = false;
  taken.forEach(([key, item], index) => {
    const code = codes[index], later = code === 429 || code >= 500 || /too_many|unavailable/.test(code);
    again ||= later;
    // What was said anew meanwhile stays.
    if (!later && queue.get(key) === item) drop(key);
    tell(item.from, later ? "queued" : code ? "refused" : "sent", item.said);
  });
  fails = again ? fails + 1 : 0;
  soon(again ? Math.max(asked, pause()) : 0);
});

// ---- what people do with an answer

const told = new Set(), before = new WeakMap(), views = new Map();
const [COPY, EDIT, DWELL] = ["copy", "edit", "dwell"].map((word) => `[data-rlhf-watch~=${word}]`);
const textOf = (element) => element.value ?? element.innerText;
const pathOf = (node) => node ? [node, ...pathOf(node.parentNode ?? node.host)] : [];
// The marked element on a way up from where something happened, and the token of the answer around it.
const marked = (path, mark) => {
  const at = path.find((node) => node.matches?.(mark));
  const token = at && path.slice(path.indexOf(at)).find((node) => node.dataset?.rlhfToken)?.dataset.rlhfToken;
  return token ? [at, token] : [];
};
const signalled = (mark, word, more) => (event) => {
  const [at, token] = marked(event.composedPath(), mark), signal = word ?? at?.dataset.rlhfSignal;
  if (!at || told.has(token + signal)) return;
  told.add(token + signal);
  say(token, { signal, ...more?.() }, at);
};
const edited = (element) => {
  const [at, token] = marked(pathOf(element), EDIT);
  if (!at || (before.get(at) ?? textOf(at)) === textOf(at)) return;
  before.set(at, textOf(at));
  say(token, { signal: "edit", correction: textOf(at) }, at);
};
listen(document, "click", signalled("[data-rlhf-signal]"));
listen(document, "copy", signalled(COPY, "copy", () => ({ metadata: { characters: `${getSelection()}`.length } })));
listen(document, "focusin", (event) => {
  const [at] = marked(event.composedPath(), EDIT);
  if (at && !before.has(at)) before.set(at, textOf(at));
});
listen(document, "focusout", (event) => edited(event.composedPath()[0]));

// Time passes while half of the answer, or half a window of it, can be seen.
const look = (element, inView) => {
  const view = views.get(element) ?? { total: 0, told: 0 }, now = performance.now();
  if (view.since) view.total += now - view.since;
  view.inView = inView ?? view.inView;
  view.since = view.inView && !document.hidden && now;
  views.set(element, view);
  return view;
};
const watcher = new IntersectionObserver(safely((entries) => entries.forEach((entry) => look(entry.target,
  entry.intersectionRatio >= 0.5 || entry.intersectionRect.height > innerHeight / 2))), { threshold: [0, 0.1, 0.25, 0.5, 1] });
const watch = (root) => [root, ...root.querySelectorAll?.(DWELL) ?? []].forEach((node) =>
  node.matches?.(DWELL) && watcher.observe(node));
new MutationObserver(safely((changes) => changes.forEach(({ type, target, addedNodes }) => {
  addedNodes.forEach(watch);
  if (type !== "attributes") return;
  watch(target);
  // The token of an answer that is streamed comes last.
  target.querySelectorAll("rlhf-feedback").forEach((element) => element.connectedCallback());
}))).observe(document, { subtree: true, childList: true, attributeFilter: ["data-rlhf-watch", "data-rlhf-token"] });
watch(document);

const leave = () => {
  edited(document.activeElement);
  views.forEach((_, element) => {
    const view = look(element), [at, token] = marked(pathOf(element), DWELL);
    if (!element.isConnected) views.delete(element);
    if (!at || view.total - view.told < 1000) return;
    view.told = view.total;
    say(token, { signal: "dwell", metadata: { seconds: Math.round(view.total / 100) / 10 } }, at);
  });
};
listen(document, "visibilitychange", () => {
  leave();
  soon(0);
});
listen(window, "pagehide", () => {
  leave();
  left = true;
  for (let next; (next = batch()); ) navigator.sendBeacon(next.url, next.body);
});
listen(window, "pageshow", ({ persisted }) => {
  if (!persisted) return;
  left = false;
  underWay = [];
  soon(0);
});
listen(window, "online", () => soon(0));

// ---- the element

const ICONS = {
  thumb: "M7 10.5 11 3c1.7 0 2.7 1.2 2.4 3L13 9h5.2c1.4 0 2.4 1.2 2.1 2.6l-1.4 6.3c-.3 1.2-1.2 2.1-2.5 2.1H7zm-3.5 0H7V20H3.5z",
  star: "m12 3 2.7 5.7 6.3.8-4.6 4.3 1.2 6.2-5.6-3.1L6.4 20l1.2-6.2L3 9.5l6.3-.8z",
  comment: "M4 5h16v11.5h-8.5L7 20v-3.5H4z",
};
const make = (tag, attributes, ...children) => {
  const made = document.createElementNS(`http://www.w3.org/${/svg|path/.test(tag) ? "2000/svg" : "1999/xhtml"}`, tag);
  Object.entries(attributes).forEach(([name, value]) => made.setAttribute(name, value));
  made.append(...children);
  return made;
};
const icon = (name) => make("svg", { viewBox: "0 0 24 24", "aria-hidden": true }, make("path", { d: ICONS[name] }));
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host { display: inline-block; max-width: 100%; --on: var(--rlhf-accent, currentColor); --size: var(--rlhf-size, 2rem);
  --ink: color-mix(in srgb, currentColor 80%, transparent); --line: color-mix(in srgb, currentColor 55%, transparent); }
:host([hidden]), [hidden] { display: none !important; }
* { box-sizing: border-box; font: inherit; color: inherit; }
div, form { display: flex; flex-wrap: wrap; align-items: center; gap: .125rem; }
div { margin-inline-start: -.375rem; }
div + div, form, form + div { margin-top: .375rem; }
span { font-size: .875em; color: var(--ink); margin-inline: .5rem; }
b { font-size: .875em; min-width: 8em; margin-inline: .375rem; }
svg { display: block; width: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
[part=down] svg { transform: scale(-1); }
button, label, textarea { border: 1px solid transparent; border-radius: var(--rlhf-radius, .5rem); background: none; }
button, label { position: relative; display: grid; place-items: center; min-width: var(--size); min-height: var(--size);
  padding: 0; color: var(--ink); cursor: pointer; }
label { min-width: calc(var(--size) - .25rem); }
button:hover { background: color-mix(in srgb, currentColor 12%, transparent); }
[aria-pressed=true], label:has(:checked), label:has(~ label :checked) { color: var(--on); }
[aria-pressed=true] svg, label:has(:checked) svg, label:has(~ label :checked) svg { fill: currentColor; }
input { position: absolute; z-index: 1; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
:focus-visible, label:has(:focus-visible) { outline: 2px solid currentColor; outline-offset: 1px; }
form { align-items: end; gap: .5rem; width: 28rem; max-width: 100%; }
textarea { flex: 1 1 12rem; min-width: 0; padding: .5rem .75rem; border-color: var(--line); }
textarea::placeholder { color: var(--ink); opacity: 1; }
[part=send] { padding: 0 1rem; border-color: var(--line); }
@media (pointer: coarse) { :host { --size: var(--rlhf-size, 2.75rem); } }
@media (prefers-reduced-motion: no-preference) { button, label { transition: background .15s, scale .15s; } :active > svg { scale: .85; } }
`);

class RlhfFeedback extends HTMLElement {
  static observedAttributes = ["token", "stars", "aspects", "steps", "step", "name", "comment"];
  static say = say;
  #root = this.attachShadow({ mode: "open" });
  #status = make("span", { part: "status", role: "status" });
  #due;
  #clear = {};

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
    listen(this, "rlhf-feedback", ({ target, detail: { status, kind, name, step } }) => {
      if (target !== this) return;
      // Nothing looks given that nobody has.
      if (status === "refused") this.#clear[name + step]?.();
      this.#status.textContent = this.#text(status === "sent" && kind === "retraction" ? "removed" : status);
    });
  }
  connectedCallback() {
    this.attributeChangedCallback();
  }
  attributeChangedCallback() {
    clearTimeout(this.#due);
    this.#due = setTimeout(safely(() => this.#render()));
  }
  #text(word, values) {
    return (option(this, "text-" + word) ?? TEXTS[word]).replace(/\{(\w+)\}/g, (all, name) => values?.[name] ?? all);
  }
  #list(name) {
    return (option(this, name) ?? "").split(/[|,]/).map((part) => part.trim()).filter(Boolean);
  }
  #render() {
    const token = this.getAttribute("token") || this.closest("[data-rlhf-token]")?.dataset.rlhfToken;
    this.#root.replaceChildren();
    if (!token) return;
    const step = this.getAttribute("step") ?? undefined, name = option(this, "name") ?? NAME, steps = this.#list("steps");
    const named = steps > 0 ? Array.from({ length: Math.min(steps, 99) }, (_, at) => this.#text("step", { n: at + 1 })) : steps;
    const main = this.#row(token, this.#text("label"), { name, step: step && +step });
    this.#comment(main);
    this.#list("aspects").forEach((part) => {
      const [name, label = name] = part.split(/: */);
      this.#row(token, label, { name, step: step && +step }, true);
    });
    named.forEach((label, step) => this.#row(token, label, { name, step }, true));
    // There before it says anything, or nobody would read it out.
    main.append(this.#status);
  }
  // What may be pressed for one thing that is rated.
  #row(token, label, about, isShown) {
    const key = about.name + about.step, shelf = SHELF + "said:" + token.slice(12, 40) + key;
    const stars = option(this, "stars"), most = stars == null || stars === "false" ? 0 : +stars > 1 ? Math.min(stars, 10) : 5;
    const row = make("div", { part: "row", role: "group", "aria-label": label });
    if (isShown) row.append(make("b", { part: "label" }, label));
    let said = safely(() => JSON.parse(sessionStorage.getItem(shelf)))() ?? {};
    const controls = most ? Array.from({ length: most }, (_, at) => {
      const input = make("input", { type: "radio", name: shelf, "aria-label": this.#text("star", { n: at + 1, of: most }) });
      row.append(make("label", { part: "star" }, input, icon("star")));
      return [at + 1, input];
    }) : ["up", "down"].map((word) => {
      row.append(this.#button(word, "thumb"));
      return [word === "up", row.lastChild];
    });
    const show = () => controls.forEach(([value, control]) => {
      if (most) control.checked = value === said.value;
      else control.setAttribute("aria-pressed", value === said.value);
    });
    const hold = (next) => {
      said = next;
      safely(() => sessionStorage.setItem(shelf, JSON.stringify(said)))();
      show();
    };
    this.#clear[key] = () => hold({});
    row.give = (more) => {
      hold(more ? { ...said, ...more } : {});
      say(token, { ...about, ...said.value == null && !said.comment ? { kind: "retraction" } : said }, this);
      row.append(this.#status);
    };
    controls.forEach(([value, control]) => listen(control, "click", () => {
      row.give(value === said.value ? null : most ? { value, scale: [1, most] } : { value });
      row.open?.(said.value != null);
    }));
    row.comment = said.comment;
    show();
    this.#root.append(row);
    return row;
  }
  #button(word, name) {
    const text = this.#text(word);
    return make("button", { type: "button", part: word, "aria-label": text, title: text }, icon(name));
  }
  #comment(row) {
    if ((option(this, "comment") ?? "false") === "false") return;
    const toggle = this.#button("comment", "comment");
    const text = make("textarea", { part: "text", rows: 2, maxlength: 1300, "aria-label": this.#text("comment"),
      placeholder: this.#text("placeholder") }, row.comment ?? "");
    const form = make("form", { part: "form" }, text, make("button", { part: "send" }, this.#text("send")));
    row.open = (is) => {
      form.hidden = !is;
      toggle.setAttribute("aria-expanded", is);
    };
    const close = () => {
      row.open(false);
      toggle.focus();
    };
    listen(toggle, "click", () => {
      row.open(form.hidden);
      if (!form.hidden) text.focus();
    });
    listen(form, "keydown", ({ key, ctrlKey, metaKey }) => {
      if (key === "Escape") close();
      if (key === "Enter" && (ctrlKey || metaKey)) form.requestSubmit();
    });
    listen(form, "submit", (event) => {
      event.preventDefault();
      row.give({ comment: text.value.trim() || undefined });
      close();
    });
    row.open(false);
    row.append(toggle);
    row.after(form);
  }
}
customElements.define("rlhf-feedback", RlhfFeedback);

safely(() => Object.keys(localStorage).filter((name) => name.startsWith(SHELF)).forEach((name) => {
  const item = safely(JSON.parse)(localStorage[name]);
  if (item?.said?.token) queue.set(name.slice(SHELF.length), item);
  else localStorage.removeItem(name);
}))();
soon(0);
} catch (error) { console.debug("rlhf-feedback:", error); }
})();
