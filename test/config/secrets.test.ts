import { describe, expect, test } from "bun:test";
import { describeConfig, loadSettings } from "../../src/config/load.ts";
import { directory, loaded, problems, token } from "./loaded.ts";

describe("CFG-101: empty and weak values", () => {
  test.each(["", "  ", '""', "''", '" "', "\n", "\t"])(
    "MANAGEMENT_TOKEN=%j is not set, and a server needs one",
    (value) => {
      expect(problems({ environment: { MANAGEMENT_TOKEN: value } })).toEqual([
        "MANAGEMENT_TOKEN is not set: run llm-proxy setup, or set it or MANAGEMENT_TOKEN_FILE",
      ]);
    },
  );

  test.each([
    "ENCRYPTION_KEY",
    "REQUIRE_ENCRYPTION_KEY",
    "METRICS_TOKEN",
    "API_ENV",
    "TRUSTED_PROXIES",
    "DATABASE_URL",
  ])("%s is at its default when empty", (name) => {
    const cwd = directory();
    const empty = loaded({ cwd, environment: { MANAGEMENT_TOKEN: token, [name]: ' ""' } });
    expect(describeConfig(empty)).toEqual(describeConfig(loaded({ cwd })));
    expect(empty.warnings).toEqual([]);
  });

  test("a secret's file is read and one newline at its end cut", () => {
    for (const end of ["", "\n", "\r\n"]) {
      const { config, origins } = loaded({ environment: { MANAGEMENT_TOKEN_FILE: "t" } }, { t: token + end });
      expect(config.managementToken?.reveal()).toBe(token);
      expect(origins.managementToken).toBe("environment (MANAGEMENT_TOKEN_FILE)");
    }
    expect(
      loaded({ environment: {}, flags: { config: "s" } }, { t: token, s: "management_token_file: t\n" })
        .origins.managementToken,
    ).toBe("s:1 (management_token_file)");
  });

  test.each([
    ["gone", 'MANAGEMENT_TOKEN_FILE names "gone", which does not exist'],
    ["empty", 'MANAGEMENT_TOKEN_FILE names "empty", which is empty'],
    ["lines", "MANAGEMENT_TOKEN_FILE holds blanks, line ends or letters beyond ASCII: remove them"],
  ])("a secret's file that is %s stops, and only that is said", (file, problem) => {
    const files = { empty: "\n", lines: `${token}\n\n` };
    expect(problems({ environment: { MANAGEMENT_TOKEN_FILE: file } }, files)).toEqual([problem]);
  });

  test("a secret and its file in one source is a conflict", () => {
    const environment = { MANAGEMENT_TOKEN: token, MANAGEMENT_TOKEN_FILE: "t" };
    expect(problems({ environment }, { t: token })).toEqual([
      "MANAGEMENT_TOKEN_FILE is set beside MANAGEMENT_TOKEN: keep one of them",
    ]);
  });

  test.each(["changeme", "<token>", "mt-with blank"])(
    "the placeholder %j is refused without being repeated",
    (value) => {
      const [problem, ...more] = problems({ environment: { MANAGEMENT_TOKEN: value } });
      expect(problem).toStartWith("MANAGEMENT_TOKEN ");
      expect(problem).not.toContain(value);
      expect(more).toEqual([]);
    },
  );

  test("a short management token is a warning", () => {
    expect(loaded({ environment: { MANAGEMENT_TOKEN: "abc" } }).warnings).toEqual([
      "MANAGEMENT_TOKEN has fewer than 16 characters: make one with openssl rand -hex 32",
    ]);
    expect(loaded({ environment: { MANAGEMENT_TOKEN: "0123456789abcdef" } }).warnings).toEqual([]);
  });

  test("quotes that docker env files leave around a value are refused", () => {
    expect(problems({ environment: { MANAGEMENT_TOKEN: `"${token}"` } })).toEqual(
      expect.arrayContaining([expect.stringMatching(/^MANAGEMENT_TOKEN begins and ends with a quote/)]),
    );
    expect(problems({ environment: { MANAGEMENT_TOKEN: token, LOG_LEVEL: "'info'" } })).toHaveLength(1);
  });

  test("a secret by flag is a warning, as the list of processes shows it", () => {
    const settings = loadSettings({ flags: { managementToken: token }, environment: {}, cwd: directory() });
    expect(settings.ok && settings.value.warnings).toEqual([
      "--management-token shows in the list of processes: set MANAGEMENT_TOKEN or MANAGEMENT_TOKEN_FILE instead",
    ]);
  });
});
