// Boots the viewer on the API reference; a file of its own because the page allows no inline script.
window.addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({ url: "/docs/json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
});
