import { errorCatalogue } from "@fleetcert/shared";
import { rolePermissions } from "./permissions.ts";
import type { Route } from "./route.ts";
import { routes } from "./routes.ts";

/** The OpenAPI 3.1 document of `/api/v1`, made from the route table. */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = `/api/v1${route.path.replaceAll(/:([a-z]+)/g, "{$1}")}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Fleetcert controller", version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths,
    components: {
      securitySchemes: {
        operatorCertificate: { type: "mutualTLS", description: "An operator certificate of this controller" },
        apiKey: {
          type: "http",
          scheme: "bearer",
          description: "An API key of an operator, without a client certificate",
        },
      },
      schemas: { Problem: problem },
    },
    security: [{ operatorCertificate: [] }, { apiKey: [] }],
  };
}

function operation(route: Route): object {
  const pathParameters = [...route.path.matchAll(/:([a-z]+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const query = route.query as { properties?: Record<string, object> } | undefined;
  const queryParameters = Object.entries(query?.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    schema,
  }));
  const roles = Object.entries(rolePermissions)
    .filter(([, held]) => held.includes(route.permission))
    .map(([role]) => role);
  return {
    operationId: route.name,
    summary: route.summary,
    description: `Needs ${route.permission}: ${roles.join(", ")}.`,
    parameters: [...pathParameters, ...queryParameters],
    ...(route.body && { requestBody: { required: true, content: { "application/json": { schema: route.body } } } }),
    responses: {
      "200": { description: "The answer", content: { "application/json": { schema: {} } } },
      default: {
        description: "A problem",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

const problem = {
  type: "object",
  required: ["type", "title", "status", "code", "detail"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    code: { type: "string", enum: Object.keys(errorCatalogue) },
    detail: { type: "string" },
    hint: { type: "string" },
    retryable: { type: "boolean" },
  },
};
