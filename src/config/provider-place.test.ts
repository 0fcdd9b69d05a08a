import { expect, test } from "bun:test";
import { placeOf } from "./provider-place.ts";

test.each([
  ["http://127.0.0.1:9000/base/", "as_written"],
  ["http://10.1.2.3", "as_written"],
  ["http://[::1]:8000", "as_written"],
  ["http://localhost:11434", "as_written"],
  ["http://LOCALHOST.:11434", "as_written"],
  ["http://ollama:11434", "private"],
  ["http://gpu-1.internal:8000/llm", "private"],
  ["http://vllm.default.svc.cluster.local", "private"],
  ["http://app.localhost", "private"],
  ["https://nas.home.arpa", "private"],
  ["https://api.openai.com", "public"],
  ["https://internal.example.com", "public"],
  ["https://notlocal", "private"],
  ["https://x.notlocal", "public"],
  ["https://api.example.com.", "public"],
] as const)("the host of %s is %s", (text, reach) => {
  expect(placeOf(new URL(text)).reach).toBe(reach);
});

test("what the file says goes before, but for an address", () => {
  expect(placeOf(new URL("https://gpu.example.com"), true).reach).toBe("private");
  expect(placeOf(new URL("https://gpu.internal"), false).reach).toBe("public");
  expect(placeOf(new URL("http://127.0.0.1"), false).reach).toBe("as_written");
});
