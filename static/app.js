// What the pages do beyond links and forms. Everything works without this file; nothing here is needed to read a figure.
"use strict";

(() => {
  const root = document.documentElement;

  // Menus are <details name="menu">: the browser keeps one open; here they close on Escape and on a click elsewhere.
  const openMenus = () => document.querySelectorAll("details.menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of openMenus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of openMenus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  // Arrows walk through what an open menu offers; in its fields they are the field's.
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]");
    if (!menu || !["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key) || event.target.matches("input, select, textarea")) return;
    const offered = [...menu.querySelectorAll(".menu-panel :is(a[href], button)")].filter((one) => one.getClientRects().length);
    if (!offered.length) return;
    event.preventDefault();
    const at = offered.indexOf(event.target);
    const next = { ArrowDown: at + 1, ArrowUp: at < 0 ? -1 : at - 1, Home: 0, End: -1 }[event.key];
    offered.at(next % offered.length).focus();
  });

  // A thin bar while the next page is being made, and what stands there turns pale if that takes long; downloads leave
  // the page standing.
  const main = document.getElementById("main");
  const loading = document.querySelector("[data-loading]");
  let late = 0;
  const busy = () => {
    root.classList.add("busy");
    clearTimeout(late);
    late = setTimeout(() => {
      root.classList.add("loading");
      main?.setAttribute("aria-busy", "true");
      if (loading) loading.textContent = loading.dataset.loading;
    }, 300);
  };
  const ready = () => {
    clearTimeout(late);
    root.classList.remove("busy", "loading");
    main?.removeAttribute("aria-busy");
    if (loading) loading.textContent = "";
  };
  const isFile = (path) => /\.(csv|json|xlsx)$/.test(path);
  const isPage = (link) =>
    link && link.origin === location.origin && !link.target && !link.hasAttribute("download") && !isFile(link.pathname) && !/[?&]format=/.test(link.search);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || !isPage(link)) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    busy();
  });
  document.addEventListener("submit", (event) => {
    const to = event.submitter?.hasAttribute("formaction") ? event.submitter.formAction : event.target.getAttribute("action");
    if (!event.defaultPrevented && !isFile(new URL(to || location.href, location.href).pathname)) busy();
  });
  window.addEventListener("pageshow", ready);

  // Paper is white: charts are drawn anew for it.
  let before = null;
  const isDark = () => root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  const dress = (theme) => {
    if (theme) root.dataset.theme = theme;
    else delete root.dataset.theme;
    document.dispatchEvent(new Event("themechange"));
  };
  addEventListener("beforeprint", () => {
    if (!isDark()) return;
    before = root.dataset.theme || "";
    dress("light");
  });
  addEventListener("afterprint", () => {
    if (before !== null) dress(before);
    before = null;
  });

  // Look: system, light or dark, kept in a cookie so that the server paints the right one at once.
  const themeNow = () => root.dataset.theme || "auto";
  for (const box of document.querySelectorAll("[data-themes]")) {
    box.hidden = false;
    const buttons = box.querySelectorAll("button");
    const show = () => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.themeIs === themeNow())));
    box.addEventListener("click", (event) => {
      const theme = event.target.dataset.themeIs;
      if (!theme) return;
      if (theme === "auto") delete root.dataset.theme;
      else root.dataset.theme = theme;
      const secure = location.protocol === "https:" ? "; Secure" : "";
      document.cookie = `mnm_theme=${theme}; Path=/; SameSite=Lax; Max-Age=${theme === "auto" ? 0 : 31536000}${secure}`;
      show();
      document.dispatchEvent(new Event("themechange"));
    });
    show();
  }

  // Copy buttons.
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    if (!source || !navigator.clipboard) continue;
    button.hidden = false;
    const label = button.querySelector("span");
    const before = label.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = button.dataset.done;
      setTimeout(() => (label.textContent = before), 2000);
    });
    label.setAttribute("aria-live", "polite");
  }

  // What comes of a check of the site, as it comes.
  for (const box of document.querySelectorAll("[data-poll]")) {
    let { seen } = box.dataset;
    let left = 300;
    const look = async () => {
      const answer = document.hidden ? null : await fetch(box.dataset.poll).catch(() => null);
      if (answer?.ok) {
        const { n, html } = await answer.json();
        if (String(n) !== seen) box.innerHTML = html;
        seen = String(n);
        left -= 1;
      }
      if (left) setTimeout(look, 2000);
    };
    look();
  }

  // Definitions open as popovers; browsers without anchor positioning get them placed here.
  if (!CSS.supports("position-area: block-end")) {
    for (const box of document.querySelectorAll(".definition")) {
      box.addEventListener("toggle", (event) => {
        const button = document.querySelector(`[popovertarget="${CSS.escape(box.id)}"]`);
        if (event.newState !== "open" || !button) return;
        const at = button.getBoundingClientRect();
        box.style.top = `${at.bottom}px`;
        box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - box.offsetWidth - 8))}px`;
      });
    }
  }

  // On a narrow screen the sorted column is what the report is about: bring it beside the row names.
  const showSorted = () => {
    for (const box of document.querySelectorAll(".scroll.tall")) {
      const sorted = box.querySelector("thead .is-sorted:not(.label)");
      const names = box.querySelector("thead .second") || box.querySelector("thead .first");
      if (innerWidth > 720 || !sorted) continue;
      const edge = box.getBoundingClientRect().left + box.clientLeft + names.offsetWidth;
      box.scrollLeft += sorted.getBoundingClientRect().left - edge;
    }
  };
  addEventListener("load", () => document.fonts.ready.then(showSorted));

  // Dates that make no period are caught before they are sent.
  for (const form of document.querySelectorAll(".own-dates")) {
    const [from, to] = form.querySelectorAll("input[type=date]");
    if (!to) continue;
    const bind = () => { to.min = from.value; };
    from.addEventListener("change", bind);
    bind();
  }
})();
