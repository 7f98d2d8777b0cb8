"use strict";
// Filters, keys and copying. The page says everything without it.
(() => {
  const root = document.documentElement;
  const form = document.querySelector("form");
  const files = [...document.querySelectorAll("details.file")];
  const cards = [...document.querySelectorAll("article.card")];
  const entries = new Map([...document.querySelectorAll(".index li")].map((li) => [li.dataset.id, li]));
  const facts = cards.map((card) => ({
    card,
    entry: entries.get(card.id),
    severity: card.dataset.s,
    file: card.dataset.f,
    pipelines: card.dataset.p.split(" "),
    fresh: "new" in card.dataset,
  }));
  let current = null;
  root.classList.add("ready");

  // ---- folding
  const fold = (open) => files.forEach((file) => { file.open = open; });
  document.querySelector("[name=fold]").addEventListener("click", () => fold(false));
  document.querySelector("[name=unfold]").addEventListener("click", () => fold(true));
  if (!form) return;

  // ---- filters: everything is read first and written after, so that the browser lays the page out once
  const fields = form.elements;
  const say = (text) => { fields.shown.value = text; };
  const matching = () => {
    const severities = new Set([...form.querySelectorAll("[name=severity]:checked")].map((box) => box.value));
    const pipeline = fields.pipeline.value, file = fields.file.value;
    const onlyNew = fields.new ? fields.new.checked : false;
    return (fact) => severities.has(fact.severity) && (!pipeline || fact.pipelines.includes(pipeline))
      && (!file || fact.file === file) && (!onlyNew || fact.fresh);
  };
  const filter = () => {
    const wanted = matching(), file = fields.file.value, bare = fields.with.checked;
    const shown = facts.map(wanted), kept = new Set();
    facts.forEach((fact, n) => { if (shown[n]) kept.add(fact.file); });
    facts.forEach((fact, n) => {
      fact.card.hidden = !shown[n];
      if (fact.entry) fact.entry.hidden = !shown[n];
    });
    for (const one of files) {
      const number = one.dataset.f;
      one.hidden = (file !== "" && number !== file) || (bare && !kept.has(number));
    }
    const count = shown.filter(Boolean).length;
    const all = cards.length === 1 ? "1 finding" : `${cards.length} findings`;
    say(count === cards.length ? all : `${count} of ${all}`);
  };
  form.addEventListener("change", filter);
  form.addEventListener("reset", () => {  // told before it happens; whether keys work is no filter
    const keys = fields.keys.checked;
    setTimeout(() => { fields.keys.checked = keys; filter(); });
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  // ---- going from finding to finding
  const mark = (card) => {
    for (const link of document.querySelectorAll(".index [aria-current]")) link.removeAttribute("aria-current");
    current = card;
    const entry = entries.get(card.id);
    if (entry) entry.firstElementChild.setAttribute("aria-current", "true");
  };
  const go = (card) => {
    for (let at = card.parentElement; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    mark(card);
    card.focus({ preventScroll: true });
    card.scrollIntoView({ block: "start" });
  };
  const step = (by) => {
    const shown = cards.filter((card) => !card.hidden);
    if (!shown.length) return;
    const here = document.activeElement.closest ? document.activeElement.closest("article.card") : null;
    const at = shown.indexOf(here || current);
    go(shown[at < 0 ? (by > 0 ? 0 : shown.length - 1) : (at + by + shown.length) % shown.length]);
  };
  fields.next.addEventListener("click", () => step(1));
  fields.previous.addEventListener("click", () => step(-1));
  document.addEventListener("keydown", (event) => {
    if (!fields.keys.checked || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest && event.target.closest("select, textarea, input:not([type=checkbox])")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else return;
    event.preventDefault();
  });
  document.addEventListener("focusin", (event) => {
    const card = event.target.closest("article.card");
    if (card && card !== current) mark(card);
  });
  const arrive = () => {
    const card = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!card || !card.classList.contains("card")) return;
    if (card.hidden) form.reset();
    filter();
    go(card);
  };
  addEventListener("hashchange", arrive);

  // ---- copying
  const select = (parts) => {
    const range = document.createRange();
    range.setStartBefore(parts[0]);
    range.setEndAfter(parts[parts.length - 1]);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  const copy = async (parts, button) => {
    try {  // absent where the page is served without TLS
      await navigator.clipboard.writeText(parts.map((part) => part.textContent).join("").replace(/\n$/, ""));
      button.textContent = "Copied";
      say("Copied.");
    } catch {
      select(parts);
      button.textContent = "Selected";
      say("Selected: copy it with the keyboard.");
    }
    setTimeout(() => { button.textContent = "Copy"; filter(); }, 2000);
  };
  const offer = (place, what, parts) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${what}`);
    button.addEventListener("click", () => copy(parts, button));
    place.append(button);
  };
  for (const box of document.querySelectorAll(".suggestion")) {
    const lines = [...box.querySelectorAll("ins")];
    if (lines.length) offer(box.firstElementChild, "the suggestion", lines);
  }
  for (const line of document.querySelectorAll(".command")) offer(line, "the command", [line.firstElementChild]);

  if (matchMedia("(max-width: 61.99rem)").matches) {  // one column: the review itself comes first
    document.querySelector(".filters").open = false;
    document.querySelector(".index").open = cards.length <= 8;
  }
  filter();
  if (location.hash) arrive();
})();
