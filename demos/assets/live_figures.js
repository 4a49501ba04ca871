// What the live view measures: frames a second, and the latency from camera to page.
const RATE_WINDOW_MS = 2000, LATENCY_SAMPLES = 7;

class Rate {
  constructor() { this.ticks = []; }
  // At a time in ms, after so many frames in all.
  tick(time, count) {
    this.ticks.push({ time, count });
    while (this.ticks[0].time < time - RATE_WINDOW_MS) this.ticks.shift();
  }
  get perSecond() {
    const first = this.ticks[0], last = this.ticks[this.ticks.length - 1];
    if (this.ticks.length < 2 || performance.now() - last.time > RATE_WINDOW_MS) return 0;
    return 1000 * (last.count - first.count) / (last.time - first.time);
  }
}

function countFrames(video, session, onFirstFrame) {
  const { connection } = session;
  // A browser does not call for each frame that it presents.
  const onFrame = (now, { expectedDisplayTime, receiveTime, presentedFrames }) => {
    if (session.ended || session.connection !== connection) return;
    onFirstFrame();
    session.shown.tick(now, presentedFrames);
    if (receiveTime) session.displayDelay = expectedDisplayTime - receiveTime;
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
}

// Camera to page, in ms: what the browser and the server measure of their parts, and one round trip for the network
// connection between them.
async function measureLatency(session) {
  if (session.roundTrip) return session.roundTrip;
  if (!session.connection || !session.serverFigures) return null;
  const stats = {};
  (await session.connection.getStats()).forEach((item) => {
    if (item.type === "outbound-rtp") Object.assign(stats, { frames: item.framesEncoded, encodeTime: item.totalEncodeTime });
    if (item.type === "candidate-pair" && item.nominated) stats.roundTrip = item.currentRoundTripTime;
  });
  const previous = session.stats;
  session.stats = stats;
  if (!previous || !session.displayDelay || stats.frames <= previous.frames) return null;
  const encodeTime = (stats.encodeTime - previous.encodeTime) / (stats.frames - previous.frames);
  const { age_ms, sending_ms } = session.serverFigures;
  return 1000 * (encodeTime + (stats.roundTrip || 0)) + age_ms + sending_ms + session.displayDelay;
}

function updateMedian(values, newest) {
  if (newest !== null) values.push(newest);
  if (values.length > LATENCY_SAMPLES) values.shift();
  return values.length ? [...values].sort((a, b) => a - b)[values.length >> 1] : null;
}
