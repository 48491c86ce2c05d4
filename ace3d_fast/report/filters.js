"use strict";
// Which cards are shown, and in what order.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const text = document.getElementById("filter-text");
  const sign = document.getElementById("filter-sign");
  const q = document.getElementById("filter-q");
  const sort = document.getElementById("sort");
  const shown = document.getElementById("shown");
  const statuses = [...form.querySelectorAll("input[name=status]")];
  const number = (card, name) => (card.getAttribute(`data-${name}`) === null ? NaN : Number(card.getAttribute(`data-${name}`)));
  const words = new Map();
  const read = () => {
    for (const card of cards) {
      const titles = [...card.querySelectorAll("figure")].map((figure) => figure.title);
      words.set(card, [aceNames.of(card.dataset.concept), card.textContent, ...titles].join(" ").toLowerCase());
    }
  };
  const fits = (card) =>
    statuses.some((box) => box.checked && box.value === card.dataset.status) &&
    text.value.toLowerCase().split(/\s+/).every((word) => words.get(card).includes(word)) &&
    (!sign.value || Math.sign(number(card, "effect")) === Number(sign.value)) &&
    (!q.value || number(card, "q") <= Number(q.value));
  const ORDERS = {
    place: (card) => number(card, "place"),
    q: (card) => number(card, "q"),
    size: (card) => -Math.abs(number(card, "effect")),
  };
  const byNumber = (name) => {
    const rank = ORDERS[name] ?? ((card) => -number(card, name));
    const last = (value) => (Number.isNaN(value) ? Infinity : value); // what was not computed comes last
    return (a, b) => last(rank(a)) - last(rank(b)) || number(a, "place") - number(b, "place");
  };
  const compare = () =>
    sort.value === "name"
      ? (a, b) => aceNames.of(a.dataset.concept).localeCompare(aceNames.of(b.dataset.concept), undefined, { numeric: true })
      : byNumber(sort.value);
  const apply = () => {
    let left = 0;
    for (const card of cards) left += !(card.hidden = !fits(card));
    shown.textContent = left === cards.length ? `All ${left} concepts` : `${left} of ${cards.length} concepts`;
  };
  const order = () => list.append(...[...cards].sort((a, b) => compare()(a, b) || 0));
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const field of [text, sign, q, ...statuses]) field.addEventListener("input", apply);
  sort.addEventListener("input", order);
  aceNames.onChange(() => {
    read();
    if (sort.value === "name") order();
  });
  // A link to a card that is filtered away shows it.
  const reveal = () => {
    const card = location.hash.startsWith("#concept-") && document.getElementById(location.hash.slice(1));
    if (!card || !card.hidden) return;
    for (const box of statuses) box.checked = true;
    text.value = sign.value = q.value = "";
    apply();
    card.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  read();
  apply();
  reveal();
})();
