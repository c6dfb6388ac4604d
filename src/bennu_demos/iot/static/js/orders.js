// The commands with their states, and the dialog of a device.

import { byId, element, isolated } from "../design/dom.js";
import { Spark } from "./spark.js";
import { about, ago, degrees, percent, what } from "./texts.js";

const SHOWN = 30;
const REASONS = {
  unknown_device: "the server does not know this device",
  too_many_commands: "too many commands wait for this device",
  rate_limited: "too many commands at once; wait a moment",
};

/** The state as a word, a class of the badge, and a longer text. */
function stateOf(command, now) {
  const left = Math.max(0, Math.ceil((command.deadline - now) / 1000));
  const { answer } = command;
  switch (command.state) {
    case "sending":
      return ["Sending…", "", "not at the server yet"];
    case "pending":
      return [`Pending, ${left} s`, "", "waits for the device"];
    case "done":
      return ["Done", "done", answer];
    case "failed":
      return ["Failed", "failed", answer];
    case "refused":
      return ["Not sent", "failed", REASONS[answer] ?? answer];
    default:
      return ["Timed out", "late", answer ? `answered late: ${answer}` : "no answer in time"];
  }
}

function row(command, fleet, withDevice) {
  const [word, kind, more] = stateOf(command, fleet.now());
  const name = element("bdi", {}, fleet.devices.get(command.device)?.name ?? command.device);
  const title = element("span", { class: "what" }, ...(withDevice ? [name, ": "] : []), what(command));
  const by = element("bdi", {}, command.by);
  const details = element("span", { class: "more" }, `${more}. Sent by `, by, `, ${ago(fleet.now() - command.sent_at)}`);
  return element("li", { class: "order" }, title, element("span", { class: `state ${kind}` }, word), details);
}

const latest = (commands) => [...commands].sort((one, other) => other.sent_at - one.sent_at).slice(0, SHOWN);

export class Orders {
  chosen = null;
  #fleet;
  #me;
  #chart = new Spark();
  #dialog = byId("dialog");

  /** @param me Returns the name of the operator. */
  constructor(fleet, me, onClose) {
    this.#fleet = fleet;
    this.#me = me;
    byId("close").addEventListener("click", () => this.#dialog.close());
    byId("form").addEventListener("submit", (event) => this.#send(event));
    this.#dialog.addEventListener("close", () => {
      if (this.#dialog.open) return; // the browser tells of a close late: another device was opened meanwhile
      this.chosen = null;
      onClose();
    });
    fleet.addEventListener("settled", ({ detail }) => {
      const [word, , more] = stateOf(detail, fleet.now());
      const name = isolated(fleet.devices.get(detail.device)?.name ?? detail.device);
      byId("said").textContent = `${name}: ${what(detail)}. ${word}: ${more}`;
    });
  }

  open(id) {
    this.chosen = id;
    this.#chart = new Spark();
    byId("dialog-chart").replaceChildren(this.#chart.root);
    byId("problem").textContent = "";
    this.render();
    this.#dialog.showModal();
  }

  render() {
    const fleet = this.#fleet;
    const all = latest(fleet.commands.values());
    byId("no-orders").hidden = all.length > 0 || !fleet.isLoaded;
    byId("orders").replaceChildren(...all.map((command) => row(command, fleet, true)));
    const device = fleet.devices.get(this.chosen);
    if (!device) return;
    byId("dialog-name").textContent = device.name;
    byId("dialog-state").textContent = about(device, fleet);
    byId("dialog-temperature").textContent = degrees(device);
    byId("dialog-battery").textContent = percent(device);
    byId("dialog-interval").textContent = device.interval ? `every ${device.interval} s` : "by default";
    if (device.points.length) this.#chart.show(device.points);
    const own = latest(fleet.commandsOf(device.id)).map((command) => row(command, fleet, false));
    byId("dialog-orders").replaceChildren(...own);
  }

  #send(event) {
    event.preventDefault();
    const numbers = [byId("value"), byId("limit")];
    const wrong = numbers.find((input) => !input.checkValidity());
    for (const input of numbers) input.setAttribute("aria-invalid", String(!input.checkValidity()));
    byId("problem").textContent = wrong ? `Write a number from ${wrong.min} to ${wrong.max}.` : "";
    if (wrong) {
      wrong.focus();
      return;
    }
    const [value, limit] = numbers.map((input) => Number(input.value));
    const { name } = Object.fromEntries(new FormData(byId("form")));
    this.#fleet.send({ device: this.chosen, name, value, limit, by: this.#me() });
  }
}
