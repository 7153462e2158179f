// Runs before the first paint, so that a remembered theme or width causes no jump.
(() => {
  try {
    const theme = localStorage.getItem("tracekit.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    const split = Number(localStorage.getItem("tracekit.split"));
    if (split >= 25 && split <= 80) document.documentElement.style.setProperty("--split", `${split}%`);
  } catch {
    // storage may be forbidden: then nothing is remembered
  }
})();
