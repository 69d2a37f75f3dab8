
"use strict";
const search = document.getElementById("search");
if (search) {
  const field = search.querySelector("input");
  const said = search.querySelector("output");
  const rows = [...document.querySelectorAll("#entries > tr")];
  let names;
  const filter = () => {
    names ??= rows.map((row) => row.cells[0].textContent.toLowerCase());
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, index) => {
      row.hidden = !words.every((word) => names[index].includes(word));
      count += row.hidden ? 0 : 1;
    });
    said.textContent = words.length > 0 ? `${count} of ${rows.length}` : "";
  };
  field.addEventListener("input", filter);
  search.hidden = false;
  if (field.value) filter();
}
