// The stock of each product that the page shows, live.

export function followStock(socket) {
  const channel = socket.channel("shop");
  channel.on("products", ({ stock }) => {
    for (const [product, left] of Object.entries(stock)) show(product, left);
  });
  channel.on("stock", ({ product, left }) => show(product, left));
  channel.join();
  return channel;
}

function show(product, left) {
  for (const row of document.querySelectorAll(`[data-product="${Number(product)}"]`)) {
    const stock = row.querySelector(".stock");
    if (stock.dataset.stock === String(left)) continue;
    stock.dataset.stock = left;
    stock.textContent = left ? `${left} left` : "Sold out";
    stock.classList.remove("changed");
    requestAnimationFrame(() => stock.classList.add("changed"));
    const button = row.querySelector(".primary");
    if (button) button.disabled = left === 0;
  }
}
