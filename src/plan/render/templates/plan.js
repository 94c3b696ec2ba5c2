"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const cards = all(".card"), filter = document.getElementById("filter");
  const chosen = { action: new Set(), noun: new Set() };
  const chips = (where, key) => {
    const counts = new Map();
    for (const card of cards) counts.set(card.dataset[key], (counts.get(card.dataset[key]) || 0) + 1);
    if (counts.size < 2) return;
    for (const [word, count] of [...counts].sort()) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = `${word} ${count}`;
      chip.setAttribute("aria-pressed", "false");
      chip.addEventListener("click", () => {
        const on = !chosen[key].delete(word);
        if (on) chosen[key].add(word);
        chip.setAttribute("aria-pressed", String(on));
        show();
      });
      where.append(chip);
    }
  };
  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const card of cards) {
      const fits = words.every((word) => card.dataset.text.includes(word))
        && ["action", "noun"].every((key) => !chosen[key].size || chosen[key].has(card.dataset[key]));
      card.classList.toggle("hidden", !fits);
    }
    for (const branch of all(".branch"))
      branch.classList.toggle("hidden", !all(".card:not(.hidden)", branch).length);
  };
  const reveal = (step) => {
    const target = document.getElementById(`step-${step}`);
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView({ block: "center" });
  };
  chips(document.getElementById("actions"), "action");
  chips(document.getElementById("nouns"), "noun");
  filter.addEventListener("input", show);
  document.getElementById("open").addEventListener("click", () => cards.forEach((card) => { card.open = true; }));
  document.getElementById("close").addEventListener("click", () => cards.forEach((card) => { card.open = false; }));
  for (const node of all(".node")) {
    const step = node.dataset.step;
    const light = (on) => {
      for (const edge of all(`.edge[data-from="${step}"], .edge[data-to="${step}"]`)) edge.classList.toggle("lit", on);
    };
    node.addEventListener("mouseenter", () => light(true));
    node.addEventListener("mouseleave", () => light(false));
    node.addEventListener("click", () => reveal(node.dataset.card));
    node.addEventListener("keydown", (event) => { if (event.key === "Enter") reveal(node.dataset.card); });
  }
  // What is new is mostly what was written; what changes is what a reviewer came for.
  if (cards.length <= 40)
    cards.forEach((card) => { card.open = cards.length <= 4 || !["create", "event"].includes(card.dataset.action); });
})();
