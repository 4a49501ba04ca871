// The settings chosen on the page: Gradio's controls set them here, and the live view passes them on at once.
window.streamseg = (() => {
  const names = ["background", "blur", "colour", "steady", "edges", "speed", "view"];
  const listeners = new Set();
  const settings = {};
  const notify = () => listeners.forEach((listener) => listener(settings));
  return {
    settings,
    notify,
    update(...values) {
      names.forEach((name, index) => { settings[name] = values[index]; });
      notify();
    },
    onChange(listener) { listeners.add(listener); },
  };
})();
