// The live stage. Gradio runs this once, with element (the component's own), props (value: the visitor's token) and
// server (the functions of stage.py).
const CONNECT_MS = 12000, GATHER_MS = 1500, ASK_EVERY_MS = 1000, SETTINGS_EVERY_MS = 30, STILL_EVERY_MS = 100;
const RATE_WINDOW_MS = 2000, FIGURES_EVERY_MS = 500, LATENCIES = 7;

const part = (name) => element.querySelector(`[data-part="${name}"]`);
const stage = part("stage");
let run = null; // what is running: { camera, connection, channel, ended }

// ---- what the visitor reads

function show(state, note = "") {
  stage.dataset.state = state;
  part("note").textContent = note;
  part("cover").hidden = state === "live" || state === "still";
  part("chips").hidden = !part("cover").hidden;
  part("start").hidden = state !== "idle";
  part("stop").hidden = state === "idle";
  if (state === "idle") part("mode").textContent = "";
}

function trouble(sentence) {
  part("trouble").textContent = sentence || "";
  part("trouble").hidden = !sentence;
}

const CAMERA_TROUBLE = {
  NotAllowedError: "The browser was not allowed to use the camera: allow it beside the address of this page, then start again.",
  NotFoundError: "No camera was found: plug one in, then start again.",
  NotReadableError: "The camera is busy: close the program that uses it, then start again.",
  OverconstrainedError: "The camera cannot give pictures of a usual size.",
};

// ---- figures

class Rate {
  constructor() { this.times = []; }
  tick(now) {
    this.times.push(now);
    while (this.times[0] < now - RATE_WINDOW_MS) this.times.shift();
  }
  get perSecond() {
    const times = this.times;
    if (times.length < 2 || performance.now() - times[times.length - 1] > RATE_WINDOW_MS) return 0;
    return 1000 * (times.length - 1) / (times[times.length - 1] - times[0]);
  }
}

function countFrames(video, current, first) {
  const onFrame = (now, { expectedDisplayTime, receiveTime }) => {
    if (current.ended) return;
    first();
    current.shown.tick(now);
    if (receiveTime) current.showing = expectedDisplayTime - receiveTime;
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
}

// Camera to page, in ms: what the browser and the server each measured of their parts. The way between them counts as
// one round trip.
async function latencyOf(current) {
  if (current.roundTrip) return current.roundTrip;
  if (!current.connection || !current.server) return null;
  const now = {};
  (await current.connection.getStats()).forEach((item) => {
    if (item.type === "outbound-rtp") Object.assign(now, { encoded: item.framesEncoded, encoding: item.totalEncodeTime });
    if (item.type === "candidate-pair" && item.nominated) now.trip = item.currentRoundTripTime;
  });
  const before = current.stats;
  current.stats = now;
  if (!before || !current.showing || now.encoded <= before.encoded) return null;
  const encoding = (now.encoding - before.encoding) / (now.encoded - before.encoded);
  return 1000 * (encoding + (now.trip || 0)) + current.server.age + current.server.sending + current.showing;
}

function median(values, newest) {
  if (newest !== null) values.push(newest);
  if (values.length > LATENCIES) values.shift();
  return values.length ? [...values].sort((a, b) => a - b)[values.length >> 1] : null;
}

function reportFigures(current) {
  const timer = setInterval(async () => {
    if (current.ended) return clearInterval(timer);
    const latency = median(current.latencies, await latencyOf(current));
    const fps = current.shown.perSecond;
    part("fps").textContent = fps ? `${fps.toFixed(0)} fps` : "–";
    if (latency !== null) part("latency").textContent = `≈ ${latency.toFixed(0)} ms`;
    part("network").textContent = current.server ? `${current.server.network.toFixed(0)} fps` : "–";
    Object.assign(stage.dataset, { fps: fps.toFixed(1), latency: latency === null ? "" : latency.toFixed(0) });
  }, FIGURES_EVERY_MS);
}

// ---- settings

function sendSettings(current) {
  if (current.waiting || current.ended || !current.channel || current.channel.readyState !== "open") return;
  current.waiting = setTimeout(() => {
    current.waiting = null;
    if (current.channel.readyState === "open") current.channel.send(JSON.stringify(window.streamseg.settings));
  }, SETTINGS_EVERY_MS);
}

window.streamseg.onchange(() => run && sendSettings(run));

// ---- WebRTC

function gathered(connection) {
  return new Promise((done) => {
    const check = () => connection.iceGatheringState === "complete" && done();
    connection.addEventListener("icegatheringstatechange", check);
    setTimeout(done, GATHER_MS);
    check();
  });
}

function connected(connection) {
  return new Promise((done, fail) => {
    const check = () => {
      if (connection.connectionState === "connected") done();
      if (["failed", "closed"].includes(connection.connectionState)) fail(new Error("refused"));
    };
    connection.addEventListener("connectionstatechange", check);
    setTimeout(() => fail(new Error("silent")), CONNECT_MS);
    check();
  });
}

async function connect(current) {
  const connection = current.connection = new RTCPeerConnection({ iceServers: [] });
  const [track] = current.camera.getVideoTracks();
  track.contentHint = "motion";
  connection.addTrack(track, current.camera);
  current.channel = connection.createDataChannel("settings");
  current.channel.onopen = () => sendSettings(current);
  current.channel.onmessage = ({ data }) => onServer(current, JSON.parse(data));
  const first = new Promise((done, fail) => {
    connection.ontrack = ({ track: composite, receiver }) => {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      part("result").srcObject = new MediaStream([composite]);
      countFrames(part("result"), current, done);
      setTimeout(() => fail(new Error("no pictures")), CONNECT_MS);
    };
  });
  first.catch(() => {});
  await connection.setLocalDescription(await connection.createOffer());
  await gathered(connection);
  const answer = await server.offer({ token: props.value, sdp: connection.localDescription.sdp, settings: window.streamseg.settings });
  if (answer.error) throw Object.assign(new Error(answer.error), { plain: true });
  if (answer.refused) throw new Error(answer.refused);
  await connection.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  await connected(connection);
  await first;
  connection.addEventListener("connectionstatechange", () => {
    if (["failed", "closed"].includes(connection.connectionState) && !current.ended) fallBack(current);
  });
}

function onServer(current, message) {
  if ("error" in message) trouble(message.error);
  else current.server = message;
}

// ---- single pictures, where WebRTC finds no way

async function fallBack(current) {
  disconnect(current);
  if (current.ended) return;
  part("mode").textContent = "No direct video connection here: single pictures instead, up to ten a second.";
  show("wait", "Changing to single pictures …");
  const canvas = document.createElement("canvas"), camera = part("camera"), image = part("still");
  image.hidden = false;
  part("result").hidden = true;
  while (!current.ended) {
    const begun = performance.now();
    const scale = Math.min(1, 640 / (camera.videoWidth || 640));
    canvas.width = Math.round((camera.videoWidth || 640) * scale);
    canvas.height = Math.round((camera.videoHeight || 480) * scale);
    canvas.getContext("2d").drawImage(camera, 0, 0, canvas.width, canvas.height);
    const jpeg = canvas.toDataURL("image/jpeg", 0.8);
    let answer;
    try {
      answer = await server.still({ token: props.value, jpeg, settings: window.streamseg.settings });
    } catch {
      answer = { error: "The server does not answer: is it still running?" };
    }
    if (current.ended) return;
    trouble(answer.error);
    if (answer.jpeg) {
      image.src = answer.jpeg;
      current.shown.tick(performance.now());
      current.roundTrip = performance.now() - begun;
      if (stage.dataset.state !== "still") show("still");
    } else if (answer.error && !("jpeg" in answer)) {
      return stop();
    }
    await new Promise((done) => setTimeout(done, Math.max(0, STILL_EVERY_MS - (performance.now() - begun))));
  }
}

// ---- the run

// The server says who this is when the page has loaded.
async function known() {
  for (let tries = 0; !props.value && tries < 100; tries++) await new Promise((done) => setTimeout(done, 100));
}

async function place(current) {
  while (!current.ended) {
    const answer = await server.ask({ token: props.value });
    if (answer.error) throw Object.assign(new Error(answer.error), { plain: true });
    if (answer.place === 0) return;
    const before = answer.place === 1 ? "You are next" : `${answer.place - 1} before you`;
    const taken = answer.places === 1 ? "The only place is taken" : `All ${answer.places} places are taken`;
    show("wait", `${taken}. ${before}: keep this page open, it starts by itself.`);
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
}

async function openCamera() {
  if (!navigator.mediaDevices) throw Object.assign(new Error(
    "Browsers give the camera only to pages of this machine (localhost) or with https."), { plain: true });
  const { width, height } = stage.dataset;
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: false, video: {
      width: { ideal: Number(width) }, height: { ideal: Number(height) }, frameRate: { ideal: 30 } } });
  } catch (error) {
    throw Object.assign(new Error(CAMERA_TROUBLE[error.name] || `The camera cannot be used (${error.message}).`), { plain: true });
  }
}

async function start() {
  if (run) return;
  const current = run = { shown: new Rate(), latencies: [], ended: false };
  trouble("");
  show("wait", "Opening the camera …");
  try {
    current.camera = await openCamera();
    if (current.ended) return release(current);
    part("camera").srcObject = current.camera;
    current.camera.getVideoTracks()[0].onended = () => { if (!current.ended) { stop(); trouble("The camera was taken away: plug it in, then start again."); } };
    await known();
    await place(current);
    if (current.ended) return;
    show("wait", "Connecting …");
    reportFigures(current);
    await live(current);
  } catch (error) {
    if (current.ended) return;
    stop();
    trouble(error.plain ? error.message : "The server does not answer: is it still running?");
  }
}

async function live(current) {
  try {
    if (!window.RTCPeerConnection) throw new Error("no WebRTC");
    await connect(current);
    if (current.ended) return;
    part("mode").textContent = "Live over WebRTC.";
    show("live");
  } catch (error) {
    if (error.plain) throw error;
    if (!current.ended) fallBack(current);
  }
}

function disconnect(current) {
  if (current.channel && current.channel.readyState === "open") current.channel.send("bye");
  if (current.connection) current.connection.close();
  current.connection = current.channel = null;
}

function release(current) {
  if (current.camera) current.camera.getTracks().forEach((track) => track.stop());
}

function stop() {
  const current = run;
  run = null;
  if (!current) return;
  current.ended = true;
  disconnect(current);
  release(current);
  server.leave({ token: props.value }).catch(() => {});
  for (const name of ["camera", "result"]) part(name).srcObject = null;
  part("still").hidden = true;
  part("still").removeAttribute("src");
  part("result").hidden = false;
  show("idle", "Start the camera to see yourself somewhere else.");
}

part("start").addEventListener("click", start);
part("stop").addEventListener("click", () => { trouble(""); stop(); });
part("mirror").addEventListener("change", ({ target }) => stage.classList.toggle("mirrored", target.checked));
window.addEventListener("pagehide", stop);
