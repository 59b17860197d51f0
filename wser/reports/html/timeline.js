"use strict";

const data = JSON.parse(document.getElementById("windows").textContent);
const tracks = document.querySelector(".tracks");
const scroll = document.querySelector(".scroll");
const cursor = document.querySelector(".cursor");
const now = document.querySelector(".now");
const audio = document.querySelector("audio");

const clock = (seconds) => {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return data.seconds < 3600 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
};

// The cursor, and in words what the window says whose middle is nearest.
const show = (seconds) => {
  cursor.hidden = false;
  cursor.style.left = `${(100 * seconds) / data.seconds}%`;
  let nearest = 0;
  data.middles.forEach((middle, at) => {
    if (Math.abs(middle - seconds) < Math.abs(data.middles[nearest] - seconds)) nearest = at;
  });
  const percent = data.probabilities[nearest];
  const words = percent
    ? percent.map((p, at) => [p, data.classes[at]]).sort((a, b) => b[0] - a[0]).slice(0, 3).map(([p, name]) => `${name} ${(p / 100).toFixed(2)}`).join(", ")
    : "left out";
  now.textContent = `${clock(seconds)}  ${words}`;
};

const place = (event) => {
  const box = tracks.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * data.seconds;
};
tracks.addEventListener("pointermove", (event) => { if (audio.paused) show(place(event)); });
tracks.addEventListener("click", (event) => {
  const seconds = place(event);
  show(seconds);
  if (audio.readyState > 0) { audio.currentTime = seconds; audio.play(); }
});
audio.addEventListener("timeupdate", () => {
  show(audio.currentTime);
  const at = (audio.currentTime / data.seconds) * tracks.clientWidth;
  if (!audio.paused && (at < scroll.scrollLeft || at > scroll.scrollLeft + scroll.clientWidth)) scroll.scrollLeft = at - scroll.clientWidth / 10;
});

// A page that was moved away from its recording asks for it.
document.querySelector("input[type=file]").addEventListener("change", (event) => {
  if (!event.target.files.length) return;
  audio.src = URL.createObjectURL(event.target.files[0]);
  audio.hidden = false;
});

let zoom = 1;
for (const button of document.querySelectorAll("button[data-zoom]")) {
  button.addEventListener("click", () => {
    const middle = (scroll.scrollLeft + scroll.clientWidth / 2) / tracks.clientWidth;
    zoom = Math.min(64, Math.max(1, zoom * Number(button.dataset.zoom)));
    tracks.style.setProperty("--zoom", zoom);
    scroll.scrollLeft = middle * tracks.clientWidth - scroll.clientWidth / 2;
    label();
  });
}

// As many times under the tracks as have room.
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200];
const label = () => {
  const room = tracks.clientWidth / 80;
  const step = STEPS.find((one) => data.seconds / one <= room) ?? STEPS[STEPS.length - 1];
  const scale = tracks.querySelector(".scale");
  scale.textContent = "";
  for (let at = 0; at <= data.seconds - step / 3 || at === 0; at += step) {
    const mark = document.createElement("span");
    mark.textContent = clock(at);
    mark.style.left = `${(100 * at) / data.seconds}%`;
    scale.append(mark);
  }
};
new ResizeObserver(label).observe(scroll);
label();
