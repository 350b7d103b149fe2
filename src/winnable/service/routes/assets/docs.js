// Swagger UI for the service's own OpenAPI document. Nothing is loaded from, or sent, elsewhere.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#documentation",
  deepLinking: false,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
