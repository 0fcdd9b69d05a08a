import { resolve } from "node:path";
import { type Flags, type Loaded, loadPrices, loadSettings } from "../src/config/load.ts";
import { describePrice } from "../src/config/price-keys.ts";
import { problemLine, settled, warner } from "./config-flags.ts";
import { type CliIo, CommandError, printDetails, printJson, printTable } from "./output.ts";

/** What a command about prices is told. */
export interface PricesOptions {
  readonly flags: Flags;
  readonly json: boolean;
}

type FoundPrice = Loaded["pricing"]["entries"][number];

/**
 * Checks a price file as a start does, and prints what it says; without a name the one that the settings name.
 * @throws {CommandError} with every problem, one a line
 */
export function checkPrices(
  { flags, json, file }: PricesOptions & { readonly file?: string },
  io: CliIo,
): void {
  const settings = readSettings(flags, io);
  const pricesPath = file === undefined ? settings.pricesPath : resolve(io.cwd, file);
  const loaded = loadPrices({ ...settings, pricesPath });
  if (!loaded.ok && json) {
    printJson(io, { ok: false, problems: loaded.error });
    throw new CommandError(loaded.error.map(problemLine).join("\n"));
  }
  const { pricing } = settled(loaded);
  const own = pricing.entries.filter(({ source }) => source === pricesPath);
  if (json) {
    printJson(io, {
      ok: true,
      file: pricesPath ?? null,
      table_date: pricing.tableDate,
      prices: own.map(toRow),
    });
    return;
  }
  const known = pricing.entries.length - own.length;
  io.stdout.write(
    pricesPath === undefined
      ? `OK: no price file; ${known} names in the table of the binary, of ${pricing.tableDate}\n`
      : `OK: ${own.length} names in ${pricesPath}, and ${known} in the table of the binary, of ${pricing.tableDate}\n`,
  );
  if (own.length > 0) printPrices(io, own);
}

/** Prints every price that holds, or what one model costs and by which entry. @throws {CommandError} if it has no price */
export function listPrices(
  { flags, json, model }: PricesOptions & { readonly model?: string },
  io: CliIo,
): void {
  const { pricing } = settled(loadPrices(readSettings(flags, io)));
  if (model === undefined) {
    if (json) printJson(io, pricing.entries.map(toRow));
    else printPrices(io, pricing.entries);
    return;
  }
  const found = pricing.find(model);
  if (found === undefined) {
    throw new CommandError(
      `No price stands for ${JSON.stringify(model.slice(0, 200))}`,
      "Give it one in the file that PRICES_PATH names",
    );
  }
  if (json) printJson(io, { model, ...toRow(found) });
  else printDetails(io, [["Model", model], ["Entry", found.name], ["From", found.source], ...lines(found)]);
}

function readSettings(flags: Flags, io: CliIo): Loaded["config"] {
  const { environment, cwd } = io;
  const { config, warnings } = settled(loadSettings({ flags, environment, cwd, groups: ["store"] }));
  warnings.forEach(warner(io));
  return config;
}

function toRow({ name, source, price }: FoundPrice): object {
  return { name, source, ...describePrice(price) };
}

/** Each key with its price, those of a tier behind its name: `batch.input_usd_per_mtok`. */
function lines({ price }: FoundPrice): readonly (readonly [name: string, value: string])[] {
  const flatten = (described: object, before: string): [string, string][] =>
    Object.entries(described).flatMap(([key, value]) =>
      typeof value === "string" ? [[`${before}${key}`, value]] : flatten(value, `${before}${key}.`),
    );
  return flatten(describePrice(price), "");
}

const columns = {
  Input: "input_usd_per_mtok",
  Cached: "cached_input_usd_per_mtok",
  Written: "cache_write_usd_per_mtok",
  Output: "output_usd_per_mtok",
} as const;

/** Dollars for a million tokens; what has another unit, and which tiers there are, comes last. */
function printPrices(io: CliIo, entries: readonly FoundPrice[]): void {
  const rows = entries.map(({ name, source, price }) => {
    const described = describePrice(price);
    const cells = Object.values(columns).map((key) => String(described[key] ?? "-"));
    const others = Object.entries(described)
      .filter(([key]) => !(Object.values(columns) as string[]).includes(key))
      .map(([key, value]) => (typeof value === "string" ? `${key} ${value}` : key));
    return [name, ...cells, source, others.join(", ")];
  });
  const titles = ["Model", ...Object.keys(columns), "From", "Others"];
  printTable(
    io,
    titles.map((title) => ({ title })),
    rows,
  );
}
