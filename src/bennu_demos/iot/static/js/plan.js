// The devices on the plan. The keyboard reaches them in the list.

import { byId } from "../design/dom.js";
import { svg } from "./spark.js";
import { isLow } from "./texts.js";

const LONGEST = 28;

export class Plan {
  #fleet;
  #onChoose;
  #markers = new Map();
  #blinking = new Map(); // id -> the end of its blinking

  constructor(fleet, onChoose) {
    this.#fleet = fleet;
    this.#onChoose = onChoose;
    fleet.addEventListener("settled", ({ detail }) => {
      if (detail.name === "blink" && detail.state === "done") {
        this.#blinking.set(detail.device, fleet.now() + detail.value * 1000);
      }
    });
  }

  render(chosen) {
    const { devices } = this.#fleet;
    for (const [id, marker] of this.#markers) {
      if (!devices.has(id)) {
        marker.remove();
        this.#markers.delete(id);
      }
    }
    for (const device of devices.values()) {
      if (!device.at) continue;
      const marker = this.#markers.get(device.id) ?? this.#make(device);
      marker.style.transform = `translate(${device.x}px, ${device.y}px)`;
      marker.classList.toggle("away", !this.#fleet.isOnline(device));
      marker.classList.toggle("low", isLow(device));
      marker.classList.toggle("chosen", device.id === chosen);
      marker.classList.toggle("blinking", (this.#blinking.get(device.id) ?? 0) > this.#fleet.now());
      const name = [...device.name];
      const text = name.length > LONGEST ? `${name.slice(0, LONGEST).join("")}…` : device.name;
      if (marker.lastChild.textContent !== text) marker.lastChild.textContent = text;
    }
    const online = [...devices.values()].filter((device) => this.#fleet.isOnline(device)).length;
    byId("plan").setAttribute("aria-label", `Plan of the farm with ${devices.size} devices, ${online} of them online`);
  }

  #make({ id }) {
    const marker = svg(
      "g",
      { class: "marker" },
      svg("circle", { class: "halo", r: 17 }),
      svg("circle", { class: "body", r: 8 }),
      svg("text", { y: -22 }),
    );
    marker.addEventListener("click", () => this.#onChoose(id));
    byId("markers").append(marker);
    this.#markers.set(id, marker);
    return marker;
  }
}
