"use strict";
const list = document.getElementById("connections");
fetch("/api/v1/connections")
  .then((answer) => answer.json())
  .then(({ items }) => {
    for (const connection of items) {
      const item = document.createElement("li");
      item.textContent = `${connection.name}: ${connection.state}`;
      list.append(item);
    }
  });
