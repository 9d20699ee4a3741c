(() => {
  const root = document.documentElement, button = document.getElementById("theme");
  const asked = matchMedia("(prefers-color-scheme: dark)");
  const kept = { get() { try { return localStorage.getItem("tunesmith-theme"); } catch { return null; } },
                 set(value) { try { localStorage.setItem("tunesmith-theme", value); } catch { /* of a file: not kept */ } } };
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : asked.matches;
  const show = () => { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", button.textContent + " theme"); };
  if (["light", "dark"].includes(kept.get())) root.dataset.theme = kept.get();
  button.hidden = false;
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; kept.set(root.dataset.theme); show(); });
  asked.addEventListener("change", show);
  show();
  const closed = () => document.querySelectorAll("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...closed()]; opened.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); });
})();
