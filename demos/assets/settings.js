// What is chosen on the page. Gradio's controls hand over their values; the live stage passes them on at once.
window.streamseg = (() => {
  const names = ["background", "blur", "colour", "steady", "edges", "speed", "view"];
  const listeners = new Set();
  const settings = {};
  return {
    settings,
    change(...values) {
      names.forEach((name, place) => { settings[name] = values[place]; });
      listeners.forEach((listener) => listener(settings));
    },
    repeat() { listeners.forEach((listener) => listener(settings)); },
    onchange(listener) { listeners.add(listener); },
  };
})();
