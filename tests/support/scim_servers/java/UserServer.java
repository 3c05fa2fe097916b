import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import de.captaingoldfish.scim.sdk.common.constants.enums.HttpMethod;
import de.captaingoldfish.scim.sdk.common.resources.ServiceProvider;
import de.captaingoldfish.scim.sdk.common.resources.complex.ETagConfig;
import de.captaingoldfish.scim.sdk.common.resources.complex.FilterConfig;
import de.captaingoldfish.scim.sdk.common.resources.complex.PatchConfig;
import de.captaingoldfish.scim.sdk.common.resources.multicomplex.AuthenticationScheme;
import de.captaingoldfish.scim.sdk.common.response.ScimResponse;
import de.captaingoldfish.scim.sdk.server.endpoints.Context;
import de.captaingoldfish.scim.sdk.server.endpoints.ResourceEndpoint;
import de.captaingoldfish.scim.sdk.server.endpoints.base.UserEndpointDefinition;
import de.captaingoldfish.scim.sdk.server.schemas.ResourceType;
import de.captaingoldfish.scim.sdk.server.schemas.custom.ETagFeature;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Executors;

/**
 * Serves users with the library SCIM-SDK over the HTTP server of the JDK, on the loopback interface.
 *
 * <p>Arguments: the port, the bearer token, the page size, then any of "patch", "filter" and "etag": the abilities.
 */
final class UserServer {
    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(arguments[0]);
        Token token = new Token(arguments[1]);
        int pageSize = Integer.parseInt(arguments[2]);
        Set<String> abilities = Set.copyOf(List.of(arguments).subList(3, arguments.length));
        ResourceEndpoint endpoint = createEndpoint(pageSize, abilities);
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.createContext("/scim/v2", exchange -> answer(exchange, endpoint, token));
        server.start();
    }

    private static ResourceEndpoint createEndpoint(int pageSize, Set<String> abilities) {
        ServiceProvider provider = ServiceProvider.builder()
                .patchConfig(PatchConfig.builder().supported(abilities.contains("patch")).build())
                .filterConfig(FilterConfig.builder()
                        .supported(abilities.contains("filter"))
                        .maxResults(pageSize)
                        .build())
                .eTagConfig(ETagConfig.builder().supported(abilities.contains("etag")).build())
                .authenticationSchemes(List.of(AuthenticationScheme.builder()
                        .type("oauthbearertoken")
                        .name("OAuth Bearer Token")
                        .description("One token in the header Authorization")
                        .build()))
                .build();
        ResourceEndpoint endpoint = new ResourceEndpoint(provider);
        ResourceType users = endpoint.registerEndpoint(new UserEndpointDefinition(new Users()));
        users.getFeatures().setAutoFiltering(true);
        users.getFeatures().setETagFeature(ETagFeature.builder().enabled(true).build());
        return endpoint;
    }

    private static void answer(HttpExchange exchange, ResourceEndpoint endpoint, Token token) throws IOException {
        try (exchange) {
            Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
            exchange.getRequestHeaders().forEach((name, values) -> headers.put(name, values.getFirst()));
            String url = "http://" + headers.get("Host") + exchange.getRequestURI();
            HttpMethod method = HttpMethod.valueOf(exchange.getRequestMethod());
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            ScimResponse response = endpoint.handleRequest(url, method, body, headers, new Context(token));
            response.getHttpHeaders().forEach(exchange.getResponseHeaders()::set);
            byte[] content = response.isEmpty() ? new byte[0] : response.toString().getBytes(StandardCharsets.UTF_8);
            System.out.printf("\"%s %s HTTP/1.1\" %d%n", method, exchange.getRequestURI(), response.getHttpStatus());
            exchange.sendResponseHeaders(response.getHttpStatus(), content.length == 0 ? -1 : content.length);
            exchange.getResponseBody().write(content);
        }
    }
}
