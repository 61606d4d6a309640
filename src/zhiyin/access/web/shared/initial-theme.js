// Classic script, run before the first paint: puts the chosen (or system) theme on <html>.
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
    const wanted = stored() ?? (system.matches ? 'dark' : 'light');
    document.documentElement.dataset.theme = wanted;
  }

  system.addEventListener('change', apply);
  apply();
})();
