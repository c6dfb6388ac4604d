// The list of devices, in the order of their names.

import { byId, element } from "../design/dom.js";
import { compareNames } from "../design/people.js";
import { Spark } from "./spark.js";
import { about, degrees, isLow, percent } from "./texts.js";

export class List {
  #fleet;
  #onChoose;
  #rows = new Map();

  constructor(fleet, onChoose) {
    this.#fleet = fleet;
    this.#onChoose = onChoose;
    byId("find").addEventListener("input", () => this.render());
    byId("start").textContent = `python -m bennu_demos.iot.device ws://${location.host}/devices`;
  }

  render() {
    const { devices, isLoaded } = this.#fleet;
    const wanted = byId("find").value.trim().toLocaleLowerCase();
    const all = [...devices.values()].sort((one, other) => compareNames(one.name, other.name) || compareNames(one.id, other.id));
    const found = all.filter((device) => device.name.toLocaleLowerCase().includes(wanted));
    byId("loading").hidden = isLoaded;
    byId("empty").hidden = !isLoaded || all.length > 0;
    byId("none").hidden = !all.length || found.length > 0;
    byId("list").hidden = !found.length;
    const rows = found.map((device) => this.#row(device));
    const list = byId("list");
    // Moving a row takes its focus, so the list is only made anew if its order has changed.
    if (rows.length !== list.children.length || rows.some((row, index) => list.children[index] !== row)) {
      const focused = document.activeElement;
      list.replaceChildren(...rows);
      if (list.contains(focused)) focused.focus();
    }
  }

  #row(device) {
    const row = this.#rows.get(device.id) ?? this.#make(device.id);
    const set = (part, text) => {
      if (part.textContent !== text) part.textContent = text;
    };
    row.root.classList.toggle("away", !this.#fleet.isOnline(device));
    row.dot.className = `dot ${this.#fleet.isOnline(device) ? (isLow(device) ? "" : "good") : "off"}`;
    set(row.name, device.name);
    set(row.about, about(device, this.#fleet));
    set(row.temperature, degrees(device));
    set(row.battery, percent(device));
    row.battery.classList.toggle("low", isLow(device));
    if (device.points.length) row.spark.show(device.points);
    return row.root;
  }

  #make(id) {
    const row = {
      dot: element("span", { class: "dot", "aria-hidden": "true" }),
      name: element("bdi", { class: "name" }),
      about: element("span", { class: "about" }),
      temperature: element("span", { class: "temperature" }),
      battery: element("span", { class: "battery" }),
      spark: new Spark(),
    };
    const button = element("button", { type: "button", class: "row" });
    button.append(row.dot, row.name, row.spark.root, row.temperature, row.about, row.battery);
    button.addEventListener("click", () => this.#onChoose(id));
    row.root = element("li", {}, button);
    this.#rows.set(id, row);
    return row;
  }
}
