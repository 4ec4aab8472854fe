// The dashboard's bundle. It asks for public things only and holds no credential.
"use strict";

async function showHealth() {
  const place = document.getElementById("health");
  try {
    const response = await fetch("/health", { headers: { Accept: "application/json" } });
    const body = await response.json();
    place.textContent = response.ok ? body.status : body.error.message;
  } catch {
    place.textContent = "unreachable";
  }
}

showHealth();
