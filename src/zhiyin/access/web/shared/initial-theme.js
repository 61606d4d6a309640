// Sets the chosen (or the system's) theme on <html>. A classic script, run before the first paint.
(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');

  function stored() {
    try {
      return localStorage.getItem('zhiyin.theme');
    } catch {
      return null;
    }
  }

  function apply() {
    const theme = stored() ?? (system.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = theme;
  }

  system.addEventListener('change', apply);
  apply();
})();
