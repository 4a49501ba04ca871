// What happens on the way: a camera that goes, a connection that breaks, a computer that sleeps. The page says what it
// was and goes on by itself.
const RECONNECT_TRIES = 6, RECONNECT_PAUSE_MS = 1000, DISCONNECTED_MS = 2000, CAMERA_RETRY_MS = 2000;
const SLEEP_CHECK_MS = 1000, SLEEP_MS = 8000;
const CAMERA_LOST = "The camera is gone: unplugged, or taken by another program. Waiting for it …";
const CAMERA_SILENT = "The camera gives no pictures: it may be covered, switched off, or used by another program.";

// ---- the camera

function showCamera(session) {
  part("camera").srcObject = session.camera;
  const [track] = session.camera.getVideoTracks();
  track.onended = () => waitForCamera(session);
  track.onmute = () => !session.ended && showError(CAMERA_SILENT);
  track.onunmute = () => !session.ended && showError("");
}

async function waitForCamera(session) {
  if (session.ended) return;
  const state = view.dataset.state;
  showState("waiting", CAMERA_LOST);
  stopCamera(session);
  while (!session.ended) {
    try {
      const camera = await openCamera();
      if (session.ended) return camera.getTracks().forEach((track) => track.stop());
      session.camera = camera;
      break;
    } catch (error) {
      if (error.reason === "NotAllowedError") {
        stop();
        return showError(error.message);
      }
      await Promise.race([wait(CAMERA_RETRY_MS), new Promise((resolve) => {
        navigator.mediaDevices.addEventListener("devicechange", resolve, { once: true });
      })]);
    }
  }
  if (session.ended) return;
  showCamera(session);
  const sender = session.connection && session.connection.getSenders().find(({ track }) => track);
  if (sender) await sender.replaceTrack(session.camera.getVideoTracks()[0]);
  if (!session.reconnecting) showState(state);
}

// ---- the connection

function watchConnection(session, connection) {
  const isLost = () => !session.ended && session.connection === connection;
  connection.addEventListener("connectionstatechange", async () => {
    if (connection.connectionState === "disconnected") await wait(DISCONNECTED_MS);
    if (!["disconnected", "failed", "closed"].includes(connection.connectionState) || !isLost()) return;
    reconnect(session, navigator.onLine ? "The connection was lost" : "The network is gone");
  });
}

// The same session, with a connection of its own; single images if that does not come about.
async function reconnect(session, why) {
  if (session.ended || session.reconnecting) return;
  session.reconnecting = true;
  disconnect(session);
  for (let tries = 0; tries < RECONNECT_TRIES && !session.ended; tries++) {
    showState("waiting", `${why}. Connecting again …`);
    try {
      await waitForSlot(session);
      if (session.ended) return;
      await connect(session);
      session.reconnecting = false;
      if (!session.ended) showLive();
      return;
    } catch (error) {
      if (session.ended) return;
      if (error instanceof UserError) {
        stop();
        return showError(error.message);
      }
      disconnect(session);
      await wait(RECONNECT_PAUSE_MS * 2 ** tries);
    }
  }
  session.reconnecting = false;
  if (!session.ended) runStillFallback(session);
}

// ---- sleep: timers stand still meanwhile

let awakeAt = Date.now();
setInterval(() => {
  const slept = Date.now() - awakeAt > SLEEP_MS;
  awakeAt = Date.now();
  if (slept && active && active.connection && view.dataset.state === "live" && !document.hidden) {
    reconnect(active, "The computer was asleep");
  }
}, SLEEP_CHECK_MS);
