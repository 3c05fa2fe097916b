import de.captaingoldfish.scim.sdk.server.endpoints.authorize.Authorization;
import java.util.Map;
import java.util.Set;

/** Authenticates requests by one bearer token. */
record Token(String value) implements Authorization {
    @Override
    public boolean authenticate(Map<String, String> headers, Map<String, String> query) {
        return ("Bearer " + value).equals(headers.get("Authorization"));
    }

    @Override
    public Set<String> getClientRoles() {
        return Set.of();
    }
}
