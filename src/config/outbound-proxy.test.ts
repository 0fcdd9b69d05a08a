import { expect, test } from "bun:test";
import type { Provider } from "../provider/provider.ts";
import { clearTextProxy, markProxied, warningsOfProxy } from "./outbound-proxy.ts";

const proxy = "http://user:secret@127.0.0.1:3128";

test.each([
  ["http://gpu.internal:8000", { HTTP_PROXY: proxy }, "HTTP_PROXY"],
  ["http://gpu.internal:8000", { all_proxy: proxy }, "all_proxy"],
  ["http://gpu.internal:8000", { HTTPS_PROXY: proxy }, undefined],
  ["https://gpu.internal:8000", { HTTP_PROXY: proxy }, undefined],
  ["http://gpu.internal:8000", { HTTP_PROXY: proxy, NO_PROXY: "a.example, .internal" }, undefined],
  ["http://gpu.internal:8000", { HTTP_PROXY: proxy, no_proxy: "gpu.internal:8000" }, undefined],
  ["http://gpu.internal:8000", { HTTP_PROXY: proxy, NO_PROXY: "*.internal" }, undefined],
  ["http://gpu.internal:8000", { HTTP_PROXY: proxy, NO_PROXY: "ternal" }, "HTTP_PROXY"],
])("what goes to %s under %p is read by way of %s (NET-103)", (url, environment, variable) => {
  expect(clearTextProxy(url, environment)).toBe(variable);
});

test("providers whose key is read are warned of, without the proxy's password; loopback is not (NET-103)", () => {
  const providers = [
    { name: "far", origin: "http://gpu.internal:8000" },
    { name: "near", origin: "http://127.0.0.1:8000" },
    { name: "safe", origin: "https://api.example" },
  ] as Provider[];
  expect(warningsOfProxy(providers, { HTTP_PROXY: proxy })).toEqual([
    "the proxy that HTTP_PROXY names reads keys and content on their way to provider far: use https, or add gpu.internal to NO_PROXY",
  ]);
});

test("a provider is marked where a proxy finds its address (NET-103)", () => {
  const marked = (origin: string, environment: Record<string, string>) => {
    const byName = new Map([["one", { origin } as Provider]]);
    return markProxied({ byName, defaultName: "one" }, environment).byName.get("one")?.isProxied;
  };
  expect(marked("https://api.example", {})).toBe(false);
  expect(marked("https://api.example", { HTTPS_PROXY: proxy })).toBe(true);
  expect(marked("https://api.example", { HTTP_PROXY: proxy })).toBe(false);
  expect(marked("https://api.example", { ALL_PROXY: proxy })).toBe(true);
  expect(marked("https://api.example", { HTTPS_PROXY: proxy, NO_PROXY: "api.example" })).toBe(false);
  expect(marked("https://localhost", { HTTPS_PROXY: proxy })).toBe(false);
});
