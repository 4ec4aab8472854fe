/* Makes the report quicker to read; it is complete without. */
"use strict";
(() => {
  const form = document.getElementById("filter");
  const find = document.getElementById("find");
  const least = document.getElementById("least");
  const shown = document.getElementById("shown");
  const checks = [...document.querySelectorAll("[data-check]")].map((element) => ({
    element,
    rank: Number(element.dataset.rank),
    head: element.querySelector("summary").textContent.toLowerCase(),
    openedByUs: false,
    rows: [...element.querySelectorAll(".row")].map((row) => ({
      element: row,
      state: row.dataset.state,
      text: null,
    })),
  }));
  const suites = [...document.querySelectorAll("[data-suite]")];
  const total = checks.reduce((sum, check) => sum + check.rows.length, 0);

  function filter() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const states = new Set([...form.querySelectorAll("input[name=state]:checked")].map((box) => box.value));
    const rank = Number(least.value);
    let count = 0;
    for (const check of checks) {
      let kept = 0;
      for (const row of check.rows) {
        row.text ??= check.head + " " + row.element.textContent.toLowerCase();
        const keep = check.rank >= rank && states.has(row.state) && words.every((word) => row.text.includes(word));
        row.element.hidden = !keep;
        kept += keep;
      }
      check.element.hidden = kept === 0;
      const wanted = words.length > 0 && kept > 0 && kept <= 50;
      if (wanted && !check.element.open) {
        check.element.open = check.openedByUs = true;
      } else if (!wanted && check.openedByUs) {
        check.element.open = check.openedByUs = false;
      }
      count += kept;
    }
    for (const suite of suites) {
      suite.hidden = !suite.querySelector("[data-check]:not([hidden])");
    }
    shown.textContent = count === total ? `${total.toLocaleString("en")} shown` : `${count.toLocaleString("en")} of ${total.toLocaleString("en")} shown`;
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let up = target; up; up = up.parentElement) {
      if (up.tagName === "DETAILS") up.open = true;
      if (up.hidden) up.hidden = false;
    }
    target.scrollIntoView();
  }

  function offerCopy() {
    if (!navigator.clipboard) return;
    for (const line of document.querySelectorAll(".again-line")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", "Copy the curl line");
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(line.querySelector("pre").textContent);
        button.textContent = "Copied";
      });
      line.append(button);
    }
  }

  let waiting = 0;
  form.hidden = total === 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", filter);
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(filter, 120);
  });
  addEventListener("hashchange", reveal);
  offerCopy();
  filter();
  reveal();
})();
