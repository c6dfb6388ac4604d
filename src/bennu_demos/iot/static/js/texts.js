// The texts that several parts of the page show.

export const LOW = 20; // percent

export const isLow = (device) => device.at > 0 && device.battery < LOW;

/** "2 s ago", "5 min ago" */
export function ago(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min ago`;
  const hours = Math.round(minutes / 60);
  return hours < 36 ? `${hours} h ago` : `${Math.round(hours / 24)} days ago`;
}

/** What a device does now: "online, 2 s ago", "connection lost, 5 min ago", "away" */
export function about(device, fleet) {
  const why = fleet.isOnline(device) ? "online" : (device.will ?? "away");
  return device.at ? `${why}, ${ago(fleet.now() - device.at)}` : why;
}

export const degrees = (device) => (device.at ? `${device.temperature.toFixed(1)} °C` : "–");
export const percent = (device) => (device.at ? `${Math.round(device.battery)} %` : "–");

export const what = (command) =>
  command.name === "blink" ? `Blink for ${command.value} s` : `Measure every ${command.value} s`;
