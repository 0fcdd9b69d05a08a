import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { problems } from "../../src/api/problem.ts";
import { accessTable } from "../../src/server/access.ts";
import { startServer, type TestServer } from "./test-server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
  readonly requestBody?: { readonly content: object };
}

test("the page loads everything from the server, and nothing inline", async () => {
  const response = await fetch(`${server.base}/docs`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  const policy = response.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  const html = await response.text();
  expect(html).not.toMatch(/<script>|<style|\son\w+=|https?:\/\//);
  const loaded = [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
  expect(loaded).toHaveLength(4);
  for (const path of loaded) {
    const asset = await fetch(server.base + path);
    expect([path, asset.status]).toEqual([path, 200]);
    expect((await asset.bytes()).length).toBeGreaterThan(100);
  }
});

test.each([
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", "text/javascript; charset=utf-8"],
  ["docs.js", "text/javascript; charset=utf-8"],
])("%s says what it is", async (name, type) => {
  const { headers } = await fetch(`${server.base}/docs/assets/${name}`);
  expect(headers.get("content-type")).toBe(type);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
});

describe("the OpenAPI document", () => {
  test("has every management route, described, with its security and its errors", async () => {
    const { json } = await server.call("GET", "/docs/json");
    expect(json.openapi).toBe("3.1.0");
    expect(json.info.version).toBe("9.9.9");
    expect(json.components.securitySchemes.managementToken).toMatchObject({ type: "http", scheme: "bearer" });
    const wanted = accessTable({ metricsPath: "/metrics", isMetricsEnabled: true }).filter(
      (row) => row.who === "management" && !row.isRefusal,
    );
    const described = Object.values(json.paths as Record<string, object>).flatMap(Object.keys);
    expect(described).toHaveLength(wanted.length);
    for (const { method, path } of wanted) {
      const operation: Operation = json.paths[path.replace(/:(\w+)/g, "{$1}")][method.toLowerCase()];
      expect(operation.summary).toMatch(/^[A-Z]/);
      expect(operation.tags).toHaveLength(1);
      expect(operation.security).toEqual([{ managementToken: [] }]);
      expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(["401", "429", "500", "503"]));
      if (operation.requestBody)
        expect(Object.keys(operation.requestBody.content)).toEqual(["application/json"]);
      for (const [status, { content }] of Object.entries(operation.responses))
        if (Number(status) >= 400)
          expect(content?.["application/json"]?.schema).toEqual({ $ref: "#/components/schemas/Error" });
    }
    expect(json.components.schemas.Error.properties.code.enum).toEqual(Object.keys(problems));
  });
});
