// Keyboard shortcuts for people who work through a list. Everything here can be done by mouse or
// Tab as well, and without this script.
"use strict";

document.documentElement.classList.add("js");

const leads = [...document.querySelectorAll("[data-lead]")];
const dialog = document.getElementById("keys");
const search = document.getElementById("search");

function chosen() {
  const inside = document.activeElement && document.activeElement.closest("[data-lead]");
  return inside || leads.find((lead) => lead.classList.contains("chosen"));
}

function choose(lead) {
  if (!lead) return;
  for (const other of leads) other.classList.toggle("chosen", other === lead);
  lead.focus({ preventScroll: true });
  lead.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const at = leads.indexOf(chosen());
  choose(at < 0 ? leads[0] : leads[Math.min(Math.max(at + by, 0), leads.length - 1)]);
}

// On a lead's own page the buttons stand beside the lead, not inside it.
function press(key) {
  const lead = chosen() || (leads.length === 1 ? leads[0] : null);
  if (!lead) return;
  const near =
    lead.querySelector(`[data-key="${key}"]`) ||
    lead.parentElement.querySelector(`[data-key="${key}"]`);
  if (!near) return;
  near.click();
  const reason = near.parentElement.querySelector(".menu button");
  if (key === "r" && reason) reason.focus();
}

const does = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => search && search.focus(),
  "?": () => dialog && dialog.showModal(),
  u: () => {
    const undo = document.querySelector('.toast [data-key="u"]');
    if (undo) undo.click();
    else press("u");
  },
};
for (const key of ["a", "r", "w", "l", "x"]) does[key] = () => press(key);

document.addEventListener("keydown", (event) => {
  const open = document.querySelector("details.reject[open]");
  if (event.key === "Escape" && open) {
    open.removeAttribute("open");
    open.querySelector("summary").focus();
    return;
  }
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.isComposing ||
    (dialog && dialog.open)
  )
    return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Enter" && event.target.matches("[data-lead]")) {
    const link = event.target.querySelector("[data-open]");
    if (link) link.click();
    return;
  }
  const act = does[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

// Only one menu of reasons is open at a time, and a click elsewhere closes it.
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.reject[open]")) {
    if (!open.contains(event.target)) open.removeAttribute("open");
  }
});

// A form is sent once, however often it is clicked.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  else event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

for (const button of document.querySelectorAll("[data-opens]")) {
  button.hidden = false;
  button.addEventListener("click", () => document.getElementById(button.dataset.opens).showModal());
}
for (const select of document.querySelectorAll(".filter select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// After an answer the next lead is at hand, and screen readers announce what came of it.
if (location.hash.startsWith("#lead-"))
  choose(document.getElementById(decodeURIComponent(location.hash.slice(1))));
const message = document.querySelector(".toast p");
if (message)
  setTimeout(() => {
    document.getElementById("status").textContent = message.textContent;
  }, 150);
