// The review page: shows one question or many, sends answers in the background, and keeps them until they are saved.
"use strict";
const AHEAD = 8, KEYS = 9, POLL_MS = 4000, MOST_AT_ONCE = 200, LONGEST_WAIT_MS = 15000, COPIES_SHOWN = 6;
const PLACES = { train: "training image", val: "validation image", test: "test image", leaked: "left out as a copy" };
const ENLARGED = 4; // times at most
const KEPT = "darkroom-review"; // in sessionStorage: answers that are not saved yet, and what can be undone
const NAME = "darkroom-name"; // in localStorage: who answers here, typed once

const at = (id) => document.getElementById(id);
const questions = new Map(), decisions = new Map(), pictures = new Map(), cells = new Map(), refused = new Map(), selected = new Set();
let order = [], classes = [], csrf = "", current = null, gridded = false, anchor = null;
let unsaved = [], undoable = [], sending = false, failures = 0, saved = 0, recent = [];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
const percent = (share) => `${Math.round(Math.min(Math.max(share, 0.01), 0.99) * 100)}\u00a0%`;
const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;
const isOpen = (id) => !decisions.has(id) || decisions.get(id).decision === "later";
const openIds = () => order.filter(isOpen);

// Asking and saving

async function load() {
  const reply = await fetch("questions", { cache: "no-store" });
  if (!reply.ok) throw new Error(await reply.text());
  const body = await reply.json();
  [csrf, classes, at("who").placeholder] = [body.csrf, body.classes, body.who];
  for (const question of body.questions) {
    if (!questions.has(question.id)) order.push(question.id);
    questions.set(question.id, question);
  }
  merge(body.answered);
}

async function flush() {
  if (sending) return;
  sending = true;
  while (unsaved.length) {
    const batch = unsaved.slice(0, MOST_AT_ONCE);
    try {
      const reply = await fetch("answers", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Darkroom-Token": csrf },
        body: JSON.stringify({ answers: batch }),
      });
      if (reply.status === 403) await load(); // the server was started again and has another token
      if (!reply.ok) throw new Error(await reply.text());
      const body = await reply.json();
      unsaved.splice(0, batch.length);
      failures = 0;
      for (const [id, reason] of Object.entries(body.refused)) {
        decisions.delete(id);
        refused.set(id, reason);
        undoable = undoable.map((ids) => ids.filter((other) => other !== id)).filter((ids) => ids.length);
      }
      merge(body.answered);
    } catch (error) {
      failures += 1;
      keep();
      tellSaving(error.message);
      await new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** failures, LONGEST_WAIT_MS)));
    }
    keep();
    tellSaving();
  }
  sending = false;
}

async function poll() {
  if (document.hidden || sending || !current && !gridded) return;
  const before = saved;
  const reply = await fetch("answered", { cache: "no-store" }).catch(() => null);
  if (reply?.ok && before === saved && !unsaved.length) merge((await reply.json()).answered);
}

function merge(answered) {
  const mine = new Set(unsaved.map((answer) => answer.id));
  let elsewhere = 0;
  for (const id of order) {
    if (mine.has(id)) continue;
    const there = answered[id];
    if (there) {
      if (isOpen(id) && there.decision !== "later") elsewhere += 1;
      decisions.set(id, there);
    } else decisions.delete(id);
  }
  if (current && !isOpen(current) && elsewhere) next("Answered elsewhere.");
  else if (gridded && elsewhere) drawGrid();
  drawProgress();
}

function keep() {
  sessionStorage.setItem(KEPT, JSON.stringify({ unsaved, undoable: undoable.slice(-500) }));
}

function tellSaving(reason = "") {
  const waiting = `${plural(unsaved.length, "answer")} not saved yet. Trying again; leave this page open.`;
  const lost = `${plural(refused.size, "answer")} could not be saved, and will be asked again. ${[...refused.values()].at(-1)}`;
  at("saving").textContent = failures && unsaved.length ? `${waiting} (${reason || "no connection"})` : refused.size ? lost : "";
}

// Answering

function answer(ids, decision, label = null) {
  if (!ids.length) return;
  ids.forEach((id) => refused.delete(id));
  for (const id of ids) {
    decisions.set(id, { decision, label });
    unsaved.push({ id, decision, label, who: me() });
    if (decision === "later") order = [...order.filter((other) => other !== id), id];
  }
  saved += 1;
  undoable.push(ids);
  if (label) recent = [label, ...recent.filter((name) => name !== label)].slice(0, KEYS);
  ids.forEach((id) => selected.delete(id));
  const words = { label: label, drop: "Dropped", later: "Later" }[decision];
  next(`${words}.`, ids);
  keep();
  flush();
}

function undo() {
  const ids = undoable.pop();
  if (!ids) return;
  for (const id of ids) {
    decisions.delete(id);
    unsaved.push({ id, decision: "undo", label: null, who: me() });
  }
  saved += 1;
  say("Undone.");
  if (gridded) drawGrid(ids[0]);
  else show(ids[0]);
  drawProgress();
  keep();
  flush();
}

function next(words = "", done = []) {
  drawProgress();
  if (gridded) return drawGrid(following(done[done.length - 1]), words);
  const id = following(current);
  if (id) show(id, words);
  else finish(words);
}

function following(id) {
  const start = order.indexOf(id) + 1;
  return [...order.slice(start), ...order.slice(0, start)].find((other) => isOpen(other) && other !== id)
    ?? (id && isOpen(id) ? id : null);
}

function rename() { // what was answered under one name is not taken back under another
  localStorage.setItem(NAME, me());
  undoable = [];
  keep();
  drawProgress();
}

const me = () => at("who").value.trim();
const targets = () => (gridded ? [...selected] : current ? [current] : []);

// One question

function show(id, words = "") {
  current = id;
  const question = questions.get(id);
  if (!question) return;
  history.replaceState(null, "", `#${id}`);
  at("kind").textContent = question.words;
  at("place").textContent = PLACES[question.split] ?? "from the inbox";
  at("evidence").textContent = question.evidence.replaceAll(" %", "\u00a0%");
  at("why").textContent = question.why;
  at("answers").hidden = false;
  drawPictures(question);
  drawClasses(question);
  ahead();
  drawProgress();
  say(`${words} ${question.evidence}`);
}

function drawPictures(question) {
  const differ = question.labels.length > 1;
  const large = differ ? question.pictures.filter((picture, place, all) =>
    all.findIndex((other) => other.label === picture.label) === place).slice(0, 4) : question.pictures.slice(0, 1);
  const shown = new Set();
  const shots = large.map((picture) => {
    const caption = element("figcaption");
    if (differ) caption.append(element("b", { textContent: picture.label }));
    caption.append(element("code", { textContent: picture.name }));
    const frame = element("div", { className: "frame" }, image(picture, shown.has(picture.id)));
    shown.add(picture.id);
    return element("figure", { className: "shot" }, frame, caption);
  });
  const parts = [element("div", { className: "shots" }, ...shots)];
  const copies = question.pictures.filter((picture) => !large.includes(picture));
  if (copies.length) {
    const small = copies.filter((copy) => large.every((picture) => picture.id !== copy.id)).slice(0, COPIES_SHOWN)
      .map((copy) => element("img", { src: `pictures/small/${copy.id}`, alt: `copy: ${copy.name}` }));
    const words = `The same picture ${question.pictures.length === 2 ? "twice" : `${question.pictures.length} times`}: your answer counts for all.`;
    parts.push(element("div", { className: "near" }, ...small, element("p", { className: "copies-say", textContent: words })));
  }
  at("one").replaceChildren(...parts);
}

function image(picture, again) { // an element has one place: a file that lies in two has two
  const loaded = pictures.get(picture.id) ?? preload(picture.id);
  const made = again ? loaded.cloneNode() : loaded;
  made.alt = picture.label ? `Picture that lies under ${picture.label}` : "Picture from the inbox";
  made.onerror = () => made.replaceWith(element("p", { className: "gone", textContent:
    "This file cannot be shown any more: it was moved or changed." }));
  made.onload = () => { made.style.maxWidth = `${ENLARGED * made.naturalWidth}px`; made.style.maxHeight = `${ENLARGED * made.naturalHeight}px`; };
  if (made.complete) (made.naturalWidth ? made.onload : made.onerror)();
  return made;
}

function preload(id) {
  const made = new Image();
  made.src = `pictures/large/${id}`;
  made.decode().catch(() => {});
  pictures.set(id, made);
  return made;
}

function ahead() {
  const place = order.indexOf(current);
  const soon = [...order.slice(place), ...order.slice(0, place)].filter((id) => isOpen(id) || id === current).slice(0, AHEAD + 1);
  const wanted = new Set(soon.flatMap((id) => questions.get(id).pictures.slice(0, 4).map((picture) => picture.id)));
  for (const id of pictures.keys()) if (!wanted.has(id)) pictures.delete(id);
  for (const id of wanted) if (!pictures.has(id)) preload(id);
}

function drawClasses(question) {
  const [labels, beliefs] = question ? [question.labels, new Map(question.beliefs)] : [[], new Map()];
  const likely = [...new Set([...labels, ...beliefs.keys(), ...recent])].filter((name) => classes.includes(name));
  const names = classes.length <= KEYS ? classes : [...new Set([...likely, ...classes])];
  const wanted = at("filter").value.trim().toLowerCase();
  const matching = names.filter((name) => name.toLowerCase().includes(wanted));
  const focused = document.activeElement?.dataset?.label;
  at("filter").toggleAttribute("data-needed", classes.length > KEYS);
  at("classes").replaceChildren(...matching.map((name, place) => {
    const button = element("button", { type: "button" }, element("span", { className: "name", textContent: name }));
    button.dataset.label = name;
    if (place < KEYS) button.prepend(element("kbd", { textContent: place + 1, ariaHidden: "true" }));
    if (labels.includes(name)) button.append(element("small", { className: "its", textContent: "given" }));
    if (beliefs.has(name)) {
      button.append(element("small", { textContent: percent(beliefs.get(name)) }));
      button.style.setProperty("--share", beliefs.get(name));
    }
    if (wanted && place === 0) button.classList.add("first");
    button.addEventListener("click", () => choose(name));
    return element("li", {}, button);
  }));
  if (focused) [...at("classes").querySelectorAll("button")].find((button) => button.dataset.label === focused)?.focus();
}

function choose(name) {
  at("filter").value = "";
  if (document.activeElement === at("filter")) at("filter").blur();
  answer(targets(), "label", name);
}

function finish(words = "") {
  current = null;
  history.replaceState(null, "", "#");
  const any = order.length > 0;
  at("kind").textContent = any ? "all done" : "nothing to ask";
  at("place").textContent = "";
  at("evidence").textContent = any ? "Thank you: that is all for now." : "There are no questions now.";
  at("why").textContent = any
    ? "The next retraining learns from your answers. After it, or after the next classification, there will be new questions."
    : "Questions come from retrainings (labels that look wrong, mistakes) and from classifications (images the model is not sure of).";
  at("one").replaceChildren();
  at("answers").hidden = !undoable.length;
  at("classes").replaceChildren();
  say(`${words} ${at("evidence").textContent}`);
}

// Many questions

function drawGrid(focus = null, words = "") {
  const ids = openIds().sort((one, other) => about(one).localeCompare(about(other)));
  for (const id of selected) if (!ids.includes(id)) selected.delete(id);
  at("grid").replaceChildren(...ids.map((id) => cells.get(id) ?? cell(id)));
  ids.forEach((id) => { cells.get(id).tabIndex = -1; });
  const first = cells.get(ids.includes(focus) ? focus : ids[0]);
  if (first) first.tabIndex = 0;
  if (first && focus) first.focus();
  drawSelection(words);
  if (!ids.length) finish(words);
}

const about = (id) => questions.get(id).beliefs[0]?.[0] ?? questions.get(id).labels[0] ?? "";

function cell(id) {
  const question = questions.get(id), [suggested, share] = question.beliefs[0] ?? [null, 0];
  const words = element("p");
  const given = question.labels.join(" / "), isDoubtful = suggested && !question.labels.includes(suggested);
  if (given) words.append(element(isDoubtful ? "s" : "span", { textContent: given }), " ");
  if (suggested) words.append(element("b", { textContent: suggested }), ` ${percent(share)}`);
  const picture = element("img", { src: `pictures/small/${id}`, loading: "lazy", alt: "" });
  const made = element("li", { role: "option" }, element("div", { className: "cell" }, picture), words);
  made.dataset.id = id;
  made.setAttribute("aria-selected", "false");
  made.setAttribute("aria-label", question.evidence);
  cells.set(id, made);
  return made;
}

function drawSelection(words = "") {
  for (const [id, made] of cells) made.setAttribute("aria-selected", String(selected.has(id)));
  at("kind").textContent = "many at once";
  at("place").textContent = "";
  at("evidence").textContent = selected.size ? `${plural(selected.size, "picture")} selected: what do they show?` : "Select the pictures that show the same.";
  at("why").textContent = "Sorted by what the model takes them for, which stands bold after the label given.";
  at("answers").hidden = false;
  for (const name of ["drop", "later"]) at(name).disabled = !selected.size;
  drawClasses(null);
  say(`${words} ${plural(selected.size, "picture")} selected.`);
}

function select(id, range = false) {
  const shown = [...at("grid").children].map((made) => made.dataset.id);
  if (range && anchor && shown.includes(anchor)) {
    const [from, to] = [shown.indexOf(anchor), shown.indexOf(id)].sort((one, other) => one - other);
    shown.slice(from, to + 1).forEach((other) => selected.add(other));
  } else {
    if (!selected.delete(id)) selected.add(id);
    anchor = id;
  }
  focusCell(id);
  drawSelection();
}

function focusCell(id) {
  for (const made of at("grid").children) made.tabIndex = made.dataset.id === id ? 0 : -1;
  cells.get(id)?.focus();
}

function moveInGrid(event) {
  const shown = [...at("grid").children], place = shown.indexOf(document.activeElement);
  if (place < 0) return false;
  const top = shown[0].offsetTop, columns = shown.filter((made) => made.offsetTop === top).length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  if (event.key in steps) {
    const target = shown[Math.min(Math.max(place + steps[event.key], 0), shown.length - 1)].dataset.id;
    if (event.shiftKey) {
      anchor ??= shown[place].dataset.id;
      select(target, true);
    } else focusCell(target);
  } else if (event.key === " " || event.key === "Enter") select(shown[place].dataset.id, event.shiftKey);
  else return false;
  return true;
}

function switchView() {
  gridded = !gridded;
  document.body.classList.toggle("gridded", gridded);
  at("view").setAttribute("aria-pressed", String(gridded));
  at("one").hidden = gridded;
  at("grid").hidden = !gridded;
  at("hint").textContent = gridded
    ? "Click or Space selects, with Shift a range, arrows move. Then a class by key 1 to 9 or by typing."
    : "A class by key 1 to 9 or by typing its name. Arrows look at others without answering. "
      + "What most likely changes something is asked first, kinds and classes mixed.";
  for (const name of ["drop", "later"]) at(name).disabled = false;
  selected.clear();
  if (gridded) drawGrid(current ?? openIds()[0]);
  else next();
}

// Around it

function drawProgress() {
  const left = openIds().length;
  at("left").textContent = left ? `${left} left` : "none left";
  [at("progress").max, at("progress").value] = [Math.max(order.length, 1), order.length - left];
  at("undo").disabled = !undoable.length;
}

function say(words) {
  at("says").textContent = words.trim();
}

function browse(step) {
  const shown = order.filter((id) => isOpen(id) || id === current);
  const place = shown.indexOf(current);
  if (place >= 0) show(shown[(place + step + shown.length) % shown.length]);
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const filter = at("filter"), typing = document.activeElement === filter;
  if (document.activeElement === at("who")) {
    if (["Enter", "Escape"].includes(event.key)) at("who").blur();
    return;
  }
  if (event.key === "Escape") {
    filter.value = "";
    filter.blur();
    if (gridded) selected.clear();
    if (gridded) drawSelection(); else if (current) drawClasses(questions.get(current));
    return;
  }
  if (typing) {
    const first = at("classes").querySelector("button");
    if (event.key === "Enter" && filter.value.trim() && first) choose(first.dataset.label);
    return;
  }
  if (gridded && moveInGrid(event)) return event.preventDefault();
  const done = { d: () => answer(targets(), "drop"), l: () => answer(targets(), "later"), u: undo, g: switchView,
    ArrowRight: () => browse(1), ArrowLeft: () => browse(-1), "/": () => filter.focus() }[event.key];
  if (done) {
    if (!event.repeat || event.key.startsWith("Arrow")) done();
    event.preventDefault();
  } else if (/^[1-9]$/.test(event.key)) {
    const button = at("classes").querySelectorAll("button")[event.key - 1];
    if (button && !event.repeat) choose(button.dataset.label);
  } else if (event.key.length === 1 && event.key.trim() && !at("answers").hidden) filter.focus(); // it gets the letter
}

async function begin() {
  at("who").value = localStorage.getItem(NAME) ?? "";
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
  [unsaved, undoable] = [kept.unsaved ?? [], kept.undoable ?? []];
  for (let wait = 500; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      await load();
      break;
    } catch (error) {
      at("evidence").textContent = `Questions cannot be loaded: ${error.message}`;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  for (const { id, decision, label } of unsaved) if (decision === "undo") decisions.delete(id); else decisions.set(id, { decision, label });
  undoable = undoable.filter((ids) => ids.every((id) => questions.has(id)));
  gridded = true;
  switchView();
  await follow();
  flush();
  setInterval(poll, POLL_MS);
}

async function follow() { // the address names a picture, perhaps of a question that is not asked now
  const sha256 = location.hash.slice(1);
  if (!/^[0-9a-f]{64}$/.test(sha256) || sha256 === current) return;
  let id = order.find((other) => questions.get(other).pictures.some((picture) => picture.id === sha256));
  if (!id) {
    const reply = await fetch(`questions/${sha256}`, { cache: "no-store" });
    if (!reply.ok) return say("There is no question about that picture any more.");
    const question = await reply.json();
    id = question.id;
    questions.set(id, question);
    order.unshift(id);
  }
  if (gridded) switchView();
  show(id);
}

document.addEventListener("keydown", pressed);
at("filter").addEventListener("input", () => drawClasses(gridded ? null : questions.get(current)));
at("who").addEventListener("change", rename);
at("drop").addEventListener("click", () => answer(targets(), "drop"));
at("later").addEventListener("click", () => answer(targets(), "later"));
at("undo").addEventListener("click", undo);
at("view").addEventListener("click", switchView);
at("grid").addEventListener("click", (event) => {
  const made = event.target.closest("li");
  if (made) select(made.dataset.id, event.shiftKey);
});
window.addEventListener("hashchange", follow);
document.addEventListener("visibilitychange", async () => { // there may be new ones by now
  if (document.hidden || current || gridded || unsaved.length) return;
  await load().catch(() => {});
  if (openIds().length) next();
});
window.addEventListener("online", flush);
window.addEventListener("beforeunload", (event) => { if (unsaved.length) event.preventDefault(); });
begin();
