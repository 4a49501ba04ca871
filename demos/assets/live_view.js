// The live view. Gradio runs this once, with element (of the component), props (value: the visitor's token) and server
// (the functions of live/view.py), after live_figures.js and before live_picture.js and live_recovery.js, in one scope.
const CONNECT_TIMEOUT_MS = 12000, ICE_TIMEOUT_MS = 1500, SLOT_INTERVAL_MS = 1000, SETTINGS_INTERVAL_MS = 30;
const STILL_INTERVAL_MS = 100, FIGURES_INTERVAL_MS = 500;
const START_HINT = "Start the camera to see yourself somewhere else.";

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const view = part("view");
let active = null; // the running session: { camera, connection, channel, ended, … }

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// ---- state and messages

// States: idle, waiting, live (over WebRTC), still (single images).
function showState(state, status = "") {
  view.dataset.state = state;
  part("status").textContent = status;
  part("cover").hidden = state === "live" || state === "still";
  part("chips").hidden = !part("cover").hidden;
  part("start").hidden = state !== "idle";
  part("stop").hidden = state === "idle";
  if (state === "idle") part("mode").textContent = "";
}

function showError(message) {
  part("error").textContent = message || "";
  part("error").hidden = !message;
}

// An error whose message is for the visitor.
class UserError extends Error {}

const CAMERA_ERRORS = {
  NotAllowedError: "The browser may not use the camera: allow it beside the address of this page, then start again.",
  NotFoundError: "No camera was found: plug one in, then start again.",
  NotReadableError: "The camera is busy: close the program that uses it, then start again.",
  OverconstrainedError: "The camera has no usual frame size.",
};

// ---- figures

function showFigures(session) {
  const timer = setInterval(async () => {
    if (session.ended) return clearInterval(timer);
    const latency = updateMedian(session.latencies, await measureLatency(session));
    const fps = session.shown.perSecond;
    part("fps").textContent = fps ? `${fps.toFixed(0)} fps` : "–";
    if (latency !== null) part("latency").textContent = `≈ ${latency.toFixed(0)} ms`;
    part("network").textContent = session.serverFigures ? `${session.serverFigures.network_fps.toFixed(0)} fps` : "–";
    Object.assign(view.dataset, { fps: fps.toFixed(1), latency: latency === null ? "" : latency.toFixed(0) });
  }, FIGURES_INTERVAL_MS);
}

// ---- settings

function sendSettings(session) {
  if (session.sendTimer || session.ended || !session.channel || session.channel.readyState !== "open") return;
  session.sendTimer = setTimeout(() => {
    session.sendTimer = null;
    if (session.channel.readyState === "open") session.channel.send(JSON.stringify(window.streamseg.settings));
  }, SETTINGS_INTERVAL_MS);
}

window.streamseg.onChange(() => active && sendSettings(active));

// ---- choosing the subject

// Where on the picture an event is, as fractions; null beside it.
function pointOf({ target, clientX, clientY }) {
  const width = target.videoWidth || target.naturalWidth, height = target.videoHeight || target.naturalHeight;
  if (!width || !height) return null;
  const box = target.getBoundingClientRect(), sides = [box.width / width, box.height / height];
  const scale = getComputedStyle(target).objectFit === "cover" ? Math.max(...sides) : Math.min(...sides);
  const across = (clientX - box.left - box.width / 2) / (width * scale) + 0.5;
  const y = (clientY - box.top - box.height / 2) / (height * scale) + 0.5;
  const x = view.classList.contains("mirrored") ? 1 - across : across;
  return [x, y].every((fraction) => fraction >= 0 && fraction <= 1) ? { x, y } : null;
}

function chooseSubject(points) {
  window.streamseg.settings.subject = points;
  part("all").hidden = !points.length;
  window.streamseg.notify();
}

function onPicture(event, keep) {
  const point = active && pointOf(event), before = window.streamseg.settings.subject || [];
  if (!point) return;
  event.preventDefault();
  chooseSubject(keep && !event.shiftKey ? [{ ...point, keep }] : [...before, { ...point, keep }]);
}

for (const name of ["camera", "result", "still"]) {
  part(name).addEventListener("click", (event) => onPicture(event, true));
  part(name).addEventListener("contextmenu", (event) => onPicture(event, false));
}
part("all").addEventListener("click", () => chooseSubject([]));

// ---- WebRTC

function iceGathered(connection) {
  return new Promise((resolve) => {
    const check = () => connection.iceGatheringState === "complete" && resolve();
    connection.addEventListener("icegatheringstatechange", check);
    setTimeout(resolve, ICE_TIMEOUT_MS);
    check();
  });
}

// The server has UDP only: without an address for it of its own (a policy, no network) a browser finds no connection.
function cannotConnect(connection) {
  return connection.iceGatheringState === "complete" && !/^a=candidate:\S+ \d+ udp /im.test(connection.localDescription.sdp);
}

function connected(connection) {
  return new Promise((resolve, reject) => {
    const check = () => {
      if (connection.connectionState === "connected") resolve();
      if (["failed", "closed"].includes(connection.connectionState)) reject(new Error("connection failed"));
    };
    connection.addEventListener("connectionstatechange", check);
    setTimeout(() => reject(new Error("connection timed out")), CONNECT_TIMEOUT_MS);
    check();
  });
}

function receiveComposites(session, connection) {
  return new Promise((resolve, reject) => {
    connection.ontrack = ({ track, receiver }) => {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      part("result").srcObject = new MediaStream([track]);
      countFrames(part("result"), session, resolve);
      setTimeout(() => reject(new Error("no frames")), CONNECT_TIMEOUT_MS);
    };
  });
}

async function connect(session) {
  const connection = session.connection = new RTCPeerConnection({ iceServers: [] });
  const [track] = session.camera.getVideoTracks();
  track.contentHint = "motion";
  connection.addTrack(track, session.camera);
  session.channel = connection.createDataChannel("settings");
  session.channel.onopen = () => sendSettings(session);
  session.channel.onmessage = ({ data }) => onServerMessage(session, JSON.parse(data));
  const firstFrame = receiveComposites(session, connection);
  firstFrame.catch(() => {});
  await connection.setLocalDescription(await connection.createOffer());
  await iceGathered(connection);
  if (cannotConnect(connection)) throw new Error("no address for a connection");
  const answer = await server.offer({ token: props.value, sdp: connection.localDescription.sdp, settings: window.streamseg.settings });
  if (answer.error) throw new UserError(answer.error);
  if (answer.webrtc_error) throw new Error(answer.webrtc_error);
  await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  await connected(connection);
  await firstFrame;
  watchConnection(session, connection);
}

function onServerMessage(session, message) {
  if ("error" in message) showError(message.error);
  else session.serverFigures = message;
}

// ---- the fallback: single images

function captureStill(camera, canvas) {
  const width = camera.videoWidth || 640, height = camera.videoHeight || 480, scale = Math.min(1, 640 / width);
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(camera, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/jpeg", 0.8);
}

async function compositeStill(jpeg) {
  try {
    return await server.still({ token: props.value, jpeg, settings: window.streamseg.settings });
  } catch {
    return { error: "The server does not answer: is it still running?" };
  }
}

async function runStillFallback(session) {
  disconnect(session);
  if (session.ended) return;
  part("mode").textContent = "No direct video connection here: single images instead, up to ten a second.";
  showState("waiting", "Changing to single images …");
  const canvas = document.createElement("canvas"), image = part("still");
  image.hidden = false;
  part("result").hidden = true;
  while (!session.ended) {
    const startedAt = performance.now();
    const answer = await compositeStill(captureStill(part("camera"), canvas));
    if (session.ended) return;
    showError(answer.error);
    if (answer.jpeg) {
      image.src = answer.jpeg;
      session.shown.tick(performance.now(), ++session.stills);
      session.roundTrip = performance.now() - startedAt;
      if (view.dataset.state !== "still") showState("still");
    } else if (answer.error && !("jpeg" in answer)) {
      return stop();
    }
    await wait(Math.max(0, STILL_INTERVAL_MS - (performance.now() - startedAt)));
  }
}

// ---- start and stop

// The server sends the token when the page has loaded.
async function waitForToken() {
  for (let tries = 0; !props.value && tries < 100; tries++) await wait(100);
}

async function waitForSlot(session) {
  while (!session.ended) {
    const answer = await server.request_slot({ token: props.value });
    if (answer.error) throw new UserError(answer.error);
    if (answer.position === 0) return;
    const queue = answer.position === 1 ? "You are next" : `${answer.position - 1} before you`;
    const taken = answer.capacity === 1 ? "The only place is taken" : `All ${answer.capacity} places are taken`;
    showState("waiting", `${taken}. ${queue}: keep this page open, it starts automatically.`);
    await wait(SLOT_INTERVAL_MS);
  }
}

async function openCamera() {
  if (!navigator.mediaDevices) throw new UserError("Browsers give the camera only to pages of this machine (localhost) or with https.");
  const { width, height } = view.dataset;
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: {
      width: { ideal: Number(width) }, height: { ideal: Number(height) }, frameRate: { ideal: 30 } } });
  } catch (error) {
    const told = new UserError(CAMERA_ERRORS[error.name] || `The camera cannot be used (${error.message}).`);
    throw Object.assign(told, { reason: error.name });
  }
}

async function start() {
  if (active) return;
  const session = active = { shown: new Rate(), stills: 0, latencies: [], ended: false };
  showError("");
  showState("waiting", "Opening the camera …");
  try {
    session.camera = await openCamera();
    if (session.ended) return stopCamera(session);
    showCamera(session);
    await waitForToken();
    await waitForSlot(session);
    if (session.ended) return;
    showState("waiting", "Connecting …");
    showFigures(session);
    await runLive(session);
  } catch (error) {
    if (session.ended) return;
    stop();
    showError(error instanceof UserError ? error.message : "The server does not answer: is it still running?");
  }
}

async function runLive(session) {
  try {
    if (!window.RTCPeerConnection) throw new Error("no WebRTC");
    await connect(session);
    if (session.ended) return;
    showLive();
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (!session.ended) runStillFallback(session);
  }
}

function showLive() {
  part("mode").textContent = "Live over WebRTC.";
  showState("live");
}

function disconnect(session) {
  if (session.channel && session.channel.readyState === "open") session.channel.send("close");
  if (session.connection) session.connection.close();
  session.connection = session.channel = null;
}

function stopCamera(session) {
  if (session.camera) session.camera.getTracks().forEach((track) => track.stop());
}

function stop() {
  const session = active;
  active = null;
  if (!session) return;
  session.ended = true;
  disconnect(session);
  stopCamera(session);
  server.disconnect({ token: props.value }).catch(() => {});
  for (const name of ["camera", "result"]) part(name).srcObject = null;
  part("still").hidden = true;
  part("still").removeAttribute("src");
  part("result").hidden = false;
  chooseSubject([]);
  showState("idle", START_HINT);
}

part("start").addEventListener("click", start);
part("stop").addEventListener("click", () => { showError(""); stop(); });
part("mirror").addEventListener("change", ({ target }) => view.classList.toggle("mirrored", target.checked));
window.addEventListener("pagehide", stop);
