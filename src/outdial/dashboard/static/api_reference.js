/** /docs: finding an operation, and seeing in the sidebar which one is being read. */

const nav = document.getElementById("nav");
const links = new Map([...nav.querySelectorAll(".to-operation")].map((link) => [link.hash.slice(1), link]));

function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const tag of nav.querySelectorAll(".of-tag")) {
    let inTag = 0;
    for (const item of tag.querySelectorAll("li")) {
      item.hidden = !words.every((word) => item.dataset.words.includes(word));
      if (!item.hidden) inTag += 1;
    }
    tag.hidden = inTag === 0;
    if (inTag && words.length) tag.open = true;
    found += inTag;
  }
  nav.querySelector("[data-found]").textContent = words.length ? `${found} of ${links.size} operations` : "";
}

function following() {
  let current = null;
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        current?.removeAttribute("aria-current");
        current = links.get(target.id);
        current.setAttribute("aria-current", "location");
        const { top, bottom } = current.getBoundingClientRect();
        // Not scrollIntoView, which would move the page, too.
        const sidebar = nav.parentElement;
        if (top < 0 || bottom > sidebar.clientHeight) sidebar.scrollTop += top - sidebar.clientHeight / 2;
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const article of document.querySelectorAll(".operation")) watch.observe(article);
}

nav.querySelector("[data-finds]").addEventListener("input", (event) => find(event.target.value));
nav.addEventListener("click", (event) => {
  if (!event.target.closest(".to-operation")) return;
  nav.classList.remove("open"); // on a phone the list has done its work
  document.querySelector("[data-toggles=nav]").setAttribute("aria-expanded", "false");
});
following();
