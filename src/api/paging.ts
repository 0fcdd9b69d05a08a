import { Type } from "@sinclair/typebox";
import type { Page } from "../page.ts";

/** A page as it was asked for. */
export interface PageNumber {
  /** From 1. */
  readonly page: number;
  /** 1 to 100. */
  readonly pageSize: number;
}

const pageSizeDefault = 20;
const pageSizeMax = 100;

/** Query parameters of every list. What is no number, or below 1, counts as not given (contract 1.4). */
export const pageQuery = {
  page: Type.Optional(Type.String({ description: "Number of the page, from 1", examples: ["1"] })),
  page_size: Type.Optional(
    Type.String({
      description: `Entries per page: 1 to ${pageSizeMax}, default ${pageSizeDefault}`,
      examples: ["20"],
    }),
  ),
};

interface PageQuery {
  readonly page?: string;
  readonly page_size?: string;
}

/** Reads which page is asked for. */
export function readPage(query: PageQuery): PageNumber {
  return {
    page: readCount(query.page) ?? 1,
    pageSize: Math.min(readCount(query.page_size) ?? pageSizeDefault, pageSizeMax),
  };
}

/** For lists that are given whole unless a page is asked for. */
export function readOptionalPage(query: PageQuery): Page | undefined {
  return query.page === undefined && query.page_size === undefined ? undefined : toSlice(readPage(query));
}

/** The rows of a page. */
export function toSlice({ page, pageSize }: PageNumber): Page {
  return { offset: (page - 1) * pageSize, limit: pageSize };
}

/** Where a page stands in its list. */
export const paginationSchema = Type.Object({
  page: Type.Integer(),
  page_size: Type.Integer(),
  total_count: Type.Integer(),
  total_pages: Type.Integer(),
  has_next: Type.Boolean(),
  has_prev: Type.Boolean(),
});

/** The `pagination` part of an answer. */
export function pagination({ page, pageSize }: PageNumber, total: number) {
  const pages = Math.ceil(total / pageSize);
  return {
    page,
    page_size: pageSize,
    total_count: total,
    total_pages: pages,
    has_next: page < pages,
    has_prev: page > 1,
  };
}

function readCount(text: string | undefined): number | undefined {
  return text !== undefined && /^0*[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}
