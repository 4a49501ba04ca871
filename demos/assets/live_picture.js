// What can be done with the picture: before and after, full screen, a background that is dropped, a mark by keyboard.

// ---- before and after

function setWipe(percent) {
  part("wipe").value = Math.min(100, Math.max(0, percent));
  part("panes").style.setProperty("--wipe", `${part("wipe").value}%`);
}

part("compare").addEventListener("click", () => {
  const compared = view.classList.toggle("compared");
  part("compare").setAttribute("aria-pressed", compared);
  part("wipe").hidden = !compared;
  setWipe(50);
});
part("wipe").addEventListener("input", ({ target }) => setWipe(target.value));
part("divider").addEventListener("pointerdown", ({ pointerId }) => part("divider").setPointerCapture(pointerId));
part("divider").addEventListener("pointermove", ({ pointerId, clientX }) => {
  if (!part("divider").hasPointerCapture(pointerId)) return;
  const { left, width } = part("panes").getBoundingClientRect();
  setWipe(100 * (clientX - left) / width);
});

// ---- full screen

part("fullscreen").hidden = !document.fullscreenEnabled;
part("fullscreen").addEventListener("click", async () => {
  try {
    await part("stage").requestFullscreen();
    part("result-pane").focus();
  } catch (error) {
    showError(`The browser does not show it on the full screen (${error.message}).`);
  }
});

// ---- a background that is dropped: it goes the way of the button that uploads one

const carriesFile = ({ dataTransfer }) => [...dataTransfer.types].includes("Files");

view.addEventListener("dragover", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  view.classList.add("dropping");
});
view.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!view.contains(relatedTarget)) view.classList.remove("dropping");
});
view.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  view.classList.remove("dropping");
  const [file] = event.dataTransfer.files, input = document.querySelector("#controls input[type=file]");
  if (!file || !/^(image|video)\//.test(file.type)) return showError("Drop an image or a video: it becomes the background.");
  const files = new DataTransfer();
  files.items.add(file);
  input.files = files.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
  showError("");
});

// ---- choosing the subject by keyboard

const MARK_STEP = 0.04;
const MARK_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const mark = { x: 0.5, y: 0.5 };

function showMark() {
  const picture = part("still").hidden ? part("result") : part("still");
  const width = picture.videoWidth || picture.naturalWidth || 4, height = picture.videoHeight || picture.naturalHeight || 3;
  const scale = Math.min(picture.clientWidth / width, picture.clientHeight / height);
  const across = view.classList.contains("mirrored") ? 1 - mark.x : mark.x;
  part("mark").hidden = false;
  part("mark").style.left = `${picture.clientWidth / 2 + (across - 0.5) * width * scale}px`;
  part("mark").style.top = `${picture.clientHeight / 2 + (mark.y - 0.5) * height * scale}px`;
}

part("result-pane").addEventListener("keydown", (event) => {
  if (!active) return;
  const move = MARK_KEYS[event.key], before = window.streamseg.settings.subject || [];
  if (move) {
    const across = view.classList.contains("mirrored") ? -move[0] : move[0];
    mark.x = Math.min(0.99, Math.max(0.01, mark.x + MARK_STEP * across));
    mark.y = Math.min(0.99, Math.max(0.01, mark.y + MARK_STEP * move[1]));
    showMark();
  } else if (event.key === "Enter") {
    chooseSubject(event.shiftKey ? [...before, { ...mark, keep: true }] : [{ ...mark, keep: true }]);
  } else if (event.key === "Delete" || event.key === "Backspace") {
    chooseSubject([...before, { ...mark, keep: false }]);
  } else if (event.key === "Escape" && !document.fullscreenElement) {
    chooseSubject([]);
  } else {
    return;
  }
  event.preventDefault();
});
part("result-pane").addEventListener("blur", () => { part("mark").hidden = true; });
