// The page for signing in.

const problem = document.getElementById("problem");
const input = document.getElementById("name");

document.getElementById("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  problem.textContent = "";
  const response = await fetch("/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: input.value }),
  }).catch(() => null);
  if (response?.ok) {
    location.assign("/");
    return;
  }
  problem.textContent =
    response?.status === 422 ? "Write a name with 1 to 32 characters." : "The server does not answer. Try again.";
  input.setAttribute("aria-invalid", "true");
  input.focus();
});
