/** The page Alerts: what became of a test e-mail. */

document.addEventListener("done", (event) => {
  if (!event.target.matches("[data-tells-test]")) return;
  const { sent, addresses } = event.detail;
  const place = document.querySelector("[data-test-result]");
  const failed = addresses.filter((one) => one.error).map((one) => `${one.address}: ${one.error}`);
  place.textContent = sent ? `The mail server has taken it, for ${addresses.map((one) => one.address).join(", ")}.` : failed.join(" ");
  place.dataset.tone = sent ? "good" : "bad";
  place.hidden = false;
});
