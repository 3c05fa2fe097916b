import de.captaingoldfish.scim.sdk.common.constants.ScimType.RFC7644;
import de.captaingoldfish.scim.sdk.common.constants.enums.SortOrder;
import de.captaingoldfish.scim.sdk.common.etag.ETag;
import de.captaingoldfish.scim.sdk.common.exceptions.ConflictException;
import de.captaingoldfish.scim.sdk.common.exceptions.ResourceNotFoundException;
import de.captaingoldfish.scim.sdk.common.resources.User;
import de.captaingoldfish.scim.sdk.common.resources.complex.Meta;
import de.captaingoldfish.scim.sdk.common.schemas.SchemaAttribute;
import de.captaingoldfish.scim.sdk.server.endpoints.Context;
import de.captaingoldfish.scim.sdk.server.endpoints.ResourceHandler;
import de.captaingoldfish.scim.sdk.server.filter.FilterNode;
import de.captaingoldfish.scim.sdk.server.response.PartialListResponse;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Users in memory, in the order of their creation.
 *
 * <p>User names are unique without regard to case. The library parses, validates, patches and filters.
 */
final class Users extends ResourceHandler<User> {
    private final Map<String, User> users = new LinkedHashMap<>();
    private int writes;

    @Override
    public synchronized User createResource(User user, Context context) {
        checkUserName(user);
        user.setId(UUID.randomUUID().toString());
        return store(user, Instant.now());
    }

    @Override
    public synchronized User getResource(
            String id, List<SchemaAttribute> attributes, List<SchemaAttribute> excluded, Context context) {
        User user = users.get(id);
        return user == null ? null : copy(user);
    }

    @Override
    public synchronized PartialListResponse<User> listResources(
            long startIndex,
            int count,
            FilterNode filter,
            SchemaAttribute sortBy,
            SortOrder sortOrder,
            List<SchemaAttribute> attributes,
            List<SchemaAttribute> excluded,
            Context context) {
        // "auto filtering" is on, so the library filters and cuts the page
        List<User> all = users.values().stream().map(Users::copy).toList();
        return PartialListResponse.<User>builder().resources(all).totalResults(all.size()).build();
    }

    @Override
    public synchronized User updateResource(User user, Context context) {
        User previous = find(user.getId().orElseThrow());
        checkUserName(user);
        return store(user, previous.getMeta().flatMap(Meta::getCreated).orElseThrow());
    }

    @Override
    public synchronized void deleteResource(String id, Context context) {
        find(id);
        users.remove(id);
    }

    private User find(String id) {
        User user = users.get(id);
        if (user == null) {
            throw new ResourceNotFoundException("the user with the id '" + id + "' does not exist");
        }
        return user;
    }

    private void checkUserName(User user) {
        String name = user.getUserName().orElseThrow();
        for (User other : users.values()) {
            boolean isSame = other.getId().equals(user.getId());
            if (!isSame && other.getUserName().orElseThrow().equalsIgnoreCase(name)) {
                throw new ConflictException("the user name '" + name + "' is taken", RFC7644.UNIQUENESS);
            }
        }
    }

    private User store(User user, Instant created) {
        Meta meta = user.getMeta().orElseThrow();
        meta.setCreated(created);
        meta.setLastModified(Instant.now());
        if (getServiceProvider().getETagConfig().isSupported()) {
            meta.setVersion(ETag.builder().weak(false).tag(String.valueOf(++writes)).build());
        }
        users.put(user.getId().orElseThrow(), user);
        return copy(user);
    }

    private static User copy(User user) {
        User copy = new User();
        copy.setAll(user.deepCopy());
        return copy;
    }
}
