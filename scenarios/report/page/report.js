"use strict";
// The list of devices: read from the packed text in the page, searched, filtered, and a timeline drawn for each.
// What comes from a run goes into the page as text, never as markup.
(() => {
  const PAGE = 50;
  const SVG = "http://www.w3.org/2000/svg";
  const COLOURS = {
    checking: "pending", fetching: "downloading", progressing: "downloading", retrying: "cancelled", downloaded: "downloading",
    installing: "upgrading", rebooting: "upgrading", updated: "success", failing: "failed",
    held: "cancelled", pausing: "downloading", hanging: "other", returning: "pending",
  };
  const MARKS = { struck: "failed", card: "text", key: "text", note: "cancelled" };
  const byId = (id) => document.getElementById(id);
  const find = { text: byId("find"), play: byId("by-play"), state: byId("by-state"), fleet: byId("by-fleet"), flow: byId("by-flow"), unwell: byId("unwell") };
  const body = byId("devices-body"), count = byId("devices-count"), where = byId("devices-page");
  let devices = [], shown = [], page = 0, ends = [];

  function make(name, text, kind) {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  }

  function unpack(data) {
    const texts = data.texts;
    return data.devices.map((row) => {
      const device = Object.fromEntries(data.columns.map((name, at) => [name, row[at]]));
      for (const name of ["fleet", "flow", "f_version", "s_version", "state", "stage", "why"]) device[name] = texts[device[name]];
      device.entries = () => entriesOf(row[row.length - 1], data.keys, texts);
      device.isWell = !device.why && ["success", "none", ""].includes(device.state);
      device.search = [device.name, device.id, device.state, device.stage, device.why, device.f_version, device.s_version].join(" ").toLowerCase();
      return device;
    });
  }

  function entriesOf(flat, keys, texts) {
    const entries = [];
    let ms = 0, tid = 0;
    for (let at = 0; at < flat.length; at += 3) {
      ms += flat[at];
      tid += flat[at + 2];
      const [what, step, text] = keys[flat[at + 1]];
      entries.push({ ms, what: texts[what], tid, step, text: texts[text] });
    }
    return entries;
  }

  // What a device was at, as [from, to, colour, what it was] and [at, colour, what happened].
  function picture(entries, end) {
    const spans = [], marks = [];
    let stage = null, away = null;
    const close = (ms) => { if (stage) spans.push([stage.ms, ms, COLOURS[stage.text] || "other", stage.text]); stage = null; };
    for (const entry of entries) {
      if (entry.what === "stage") { close(entry.ms); stage = entry; }
      if (entry.what === "ended") {
        close(entry.ms);
        marks.push([entry.ms, entry.text.startsWith("succeeded") ? "success" : entry.text.startsWith("failed") ? "failed" : "cancelled", entry.text]);
      }
      if (entry.what === "told") marks.push([entry.ms, "faint", "told"]);
      if (entry.what in MARKS) marks.push([entry.ms, MARKS[entry.what], entry.text]);
      if (["offline", "power_off"].includes(entry.what) && away === null) away = entry.ms;
      if (["online", "power_on"].includes(entry.what) && away !== null) { spans.push([away, entry.ms, "away", "away"]); away = null; }
    }
    close(end);
    if (away !== null) spans.push([away, end, "away", "away"]);
    return { spans, marks };
  }

  function draw(entries, from, to, words, large) {
    const svg = document.createElementNS(SVG, "svg");
    const width = 1000, height = 22, scale = width / Math.max(1, to - from);
    const add = (name, attributes, title) => {
      const part = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
      if (title) { const said = document.createElementNS(SVG, "title"); said.textContent = title; part.append(said); }
      svg.append(part);
    };
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("class", large ? "line large" : "line");
    svg.setAttribute("role", "img");
    const title = document.createElementNS(SVG, "title");
    title.textContent = words;
    svg.append(title);
    add("rect", { x: 0, y: 10, width, height: 1, fill: "var(--line)" });
    const { spans, marks } = picture(entries, to);
    for (const [start, stop, colour, text] of spans) {
      const low = colour === "away";
      add("rect", { x: (start - from) * scale, y: low ? 17 : 5, width: Math.max(2, (stop - start) * scale), height: low ? 3 : 11,
        fill: low ? "var(--soft)" : `var(--${colour})` }, `${text}: ${span(stop - start)}`);
    }
    const thick = large ? 3 : 5;
    for (const [at, colour, text] of marks)
      add("rect", { x: Math.min(width - thick, Math.max(0, (at - from) * scale - thick / 2)), y: 1, width: thick, height: 19, fill: `var(--${colour})` },
        `${span(at)}: ${text}`);
    return svg;
  }

  // From the first to the last that happened, or to the end of the play where a job is still open.
  function rangeOf(entries, end) {
    const last = entries[entries.length - 1].ms;
    const jobs = entries.filter((entry) => entry.what === "job" || entry.what === "ended");
    const isOpen = jobs.length > 0 && jobs[jobs.length - 1].what === "job";
    return [entries[0].ms, isOpen ? Math.max(last, end) : last];
  }

  function span(ms) {
    if (ms < 1000) return `${ms} ms`;
    return ms < 60000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.floor(ms / 60000)} min ${Math.floor(ms / 1000) % 60} s`;
  }

  function words(device) {
    return `Timeline of ${device.name}: ${device.state || "no job"}${device.why ? `, ${device.why}` : ""}`;
  }

  function rowOf(device) {
    const row = make("tr"), head = make("th"), open = make("button", device.name, "open");
    head.scope = "row";
    if (!device.isWell) row.className = "failed";
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.title = "Show all that happened to it";
    head.append(open, make("div", `device ${device.id}`, "soft"));
    const state = make("td", device.state === "none" || !device.state ? "no job" : device.state, device.isWell ? "" : "bad");
    const versions = make("td", `${device.f_version || "-"} / ${device.s_version || "-"}`);
    const line = make("td");
    const entries = device.entries();
    if (entries.length) {
      const [from, to] = rangeOf(entries, ends[device.play]);
      line.append(draw(entries, from, to, words(device), false), make("div", `${span(to - from)} from ${span(from)} on`, "soft"));
    }
    const of = make("td", find.names.length > 1 ? find.names[device.play] : undefined);
    of.append(make("div", [device.fleet, device.flow].filter(Boolean).join(", "), find.names.length > 1 ? "soft" : ""));
    row.append(head, of, versions, state, make("td", device.why || "", "why"), line);
    open.addEventListener("click", () => toggle(row, open, device, entries));
    return row;
  }

  function toggle(row, open, device, entries) {
    const is = open.getAttribute("aria-expanded") === "true";
    open.setAttribute("aria-expanded", String(!is));
    if (is) { row.nextSibling.remove(); return; }
    const below = make("tr", undefined, "story"), cell = make("td");
    cell.colSpan = 6;
    if (device.stage) cell.append(make("p", `It is ${device.stage.replaceAll("_", " ")}${device.why ? `: ${device.why}` : ""}.`));
    if (device.is_cut) cell.append(make("p", "Not all that happened is here: of a long story the newest part, in a large run no reports and answers of devices that are well.", "soft"));
    if (entries.length) {
      const [from, to] = rangeOf(entries, ends[device.play]);
      cell.append(draw(entries, from, to, words(device), true), storyOf(entries));
    } else cell.append(make("p", "Nothing happened to it, or it was not connected.", "soft"));
    below.append(cell);
    row.after(below);
  }

  function storyOf(entries) {
    const table = make("table"), head = make("thead"), names = make("tr"), rows = make("tbody");
    for (const [name, kind] of [["at", "number"], ["after", "number"], ["what", ""], ["job", "number"], ["step", "number"], ["", ""]]) {
      const cell = make("th", name, kind);
      cell.scope = "col";
      names.append(cell);
    }
    head.append(names);
    let before = entries[0].ms;
    for (const entry of entries) {
      const row = make("tr", undefined, entry.what === "struck" || entry.text.startsWith("failed") ? "failed" : "");
      row.append(make("td", span(entry.ms), "number"), make("td", `+${span(entry.ms - before)}`, "number soft"), make("td", entry.what.replaceAll("_", " ")),
        make("td", entry.tid || "", "number"), make("td", entry.step || "", "number"), make("td", entry.text));
      rows.append(row);
      before = entry.ms;
    }
    table.append(head, rows);
    return table;
  }

  function apply() {
    const wanted = find.text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    shown = devices.filter((device) =>
      (!find.unwell.checked || !device.isWell) &&
      (find.play.value === "" || String(device.play) === find.play.value) &&
      ["state", "fleet", "flow"].every((name) => find[name].value === "" || device[name] === find[name].value) &&
      wanted.every((word) => device.search.includes(word)));
    page = 0;
    render();
  }

  function render() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    body.replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(rowOf));
    count.textContent = `${shown.length.toLocaleString("en")} of ${devices.length.toLocaleString("en")} devices`;
    where.textContent = `page ${page + 1} of ${pages}`;
    byId("before").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
  }

  function fill(select, values) {
    for (const [value, text] of values) {
      const option = make("option", text);
      option.value = value;
      select.append(option);
    }
    select.parentElement.hidden = values.length < 2;
  }

  function offer(data) {
    const kinds = (name) => [...new Set(devices.map((device) => device[name]))].sort().map((value) => [value, value || "none"]);
    find.names = data.plays;
    fill(find.play, data.plays.map((name, at) => [String(at), name]).filter(([at]) => devices.some((device) => String(device.play) === at)));
    for (const name of ["state", "fleet", "flow"]) fill(find[name], kinds(name));
    ends = data.ends;
  }

  function listen() {
    find.text.addEventListener("input", apply);
    for (const name of ["play", "state", "fleet", "flow", "unwell"]) find[name].addEventListener("change", apply);
    byId("before").addEventListener("click", () => { page -= 1; render(); });
    byId("next").addEventListener("click", () => { page += 1; render(); });
    for (const link of document.querySelectorAll("a[data-find]"))
      link.addEventListener("click", () => {
        find.text.value = link.dataset.find;
        find.play.value = link.dataset.play;
        find.unwell.checked = link.dataset.unwell === "1";
        for (const name of ["state", "fleet", "flow"]) find[name].value = "";
        apply();
      });
  }

  function followLinks() {
    const open = () => {
      const at = byId(location.hash.slice(1));
      if (at && at.tagName === "DETAILS") at.open = true;
    };
    window.addEventListener("hashchange", open);
    open();
  }

  async function start() {
    followLinks();
    const packed = byId("devices-data");
    if (!packed) return;
    try {
      const bytes = Uint8Array.from(atob(packed.textContent.trim()), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
      const data = JSON.parse(await new Response(stream).text());
      devices = unpack(data);
      offer(data);
    } catch (fault) {
      byId("devices-fault").textContent = `The list can't be shown by this browser (${fault.message}). Browsers since 2023 can.`;
      return;
    }
    listen();
    find.unwell.checked = devices.some((device) => !device.isWell);
    byId("devices-tools").hidden = false;
    apply();
  }

  start();
})();
