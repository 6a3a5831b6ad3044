// Starts a Java function: the Runtime API's loop, with AWS's errors and context object. Compiled at the first use.
// `_HANDLER` (`example.Handler` or `example.Handler::method`) and `AWS_LAMBDA_RUNTIME_API` come in the environment. It
// needs nothing but the JDK: the interfaces of aws-lambda-java-core are those that the function brings along.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Proxy;
import java.lang.reflect.Type;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

public final class Launcher {
  private static final String BASE = "http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/";
  private static final String CORE = "com.amazonaws.services.lambda.runtime.";

  public static void main(String[] arguments) throws Exception {
    Handler handler;
    try {
      handler = new Handler(System.getenv("_HANDLER"));
    } catch (Throwable error) {
      fail("init/error", cause(error));
      System.exit(1);
      return;
    }
    while (true) {
      HttpURLConnection next = (HttpURLConnection) new URL(BASE + "invocation/next").openConnection();
      byte[] event = next.getInputStream().readAllBytes();
      String id = next.getHeaderField("Lambda-Runtime-Aws-Request-Id");
      String trace = next.getHeaderField("Lambda-Runtime-Trace-Id");
      if (trace != null) System.setProperty("com.amazonaws.xray.traceHeader", trace);
      try {
        post("invocation/" + id + "/response", handler.run(event, next), null);
      } catch (Throwable error) {
        fail("invocation/" + id + "/error", cause(error));
      }
      System.out.flush();
    }
  }

  private static Throwable cause(Throwable error) {
    while (error instanceof InvocationTargetException && error.getCause() != null) error = error.getCause();
    return error;
  }

  private static void fail(String target, Throwable error) throws Exception {
    error.printStackTrace(System.out);
    post(target, Json.write(describe(error)).getBytes(StandardCharsets.UTF_8), error.getClass().getName());
  }

  private static Map<String, Object> describe(Throwable error) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("errorMessage", error.getMessage() == null ? "" : error.getMessage());
    described.put("errorType", error.getClass().getName());
    List<String> stack = new ArrayList<>();
    for (StackTraceElement element : error.getStackTrace()) {
      if (!element.getClassName().startsWith("Launcher") && !element.getClassName().contains("reflect.")) {
        stack.add(element.toString());
      }
    }
    described.put("stackTrace", stack);
    if (error.getCause() != null) described.put("cause", describe(error.getCause()));
    return described;
  }

  private static void post(String target, byte[] body, String errorType) throws Exception {
    HttpURLConnection connection = (HttpURLConnection) new URL(BASE + target).openConnection();
    connection.setRequestMethod("POST");
    connection.setDoOutput(true);
    connection.setFixedLengthStreamingMode(body.length);
    connection.setRequestProperty("Content-Type", "application/json");
    if (errorType != null) connection.setRequestProperty("Lambda-Runtime-Function-Error-Type", errorType);
    try (OutputStream out = connection.getOutputStream()) {
      out.write(body);
    }
    InputStream answer = connection.getResponseCode() < 400 ? connection.getInputStream() : connection.getErrorStream();
    if (answer != null) answer.readAllBytes();
  }

  /** The function's method, and how its arguments are made. */
  private static final class Handler {
    private final Object instance;
    private final Method method;

    Handler(String name) throws Exception {
      String[] parts = name.split("::");
      Class<?> type;
      try {
        type = Class.forName(parts[0]);
      } catch (ClassNotFoundException error) {
        throw new ClassNotFoundException("Class not found: " + parts[0]);
      }
      method = find(type, parts.length > 1 ? parts[1] : "handleRequest");
      method.setAccessible(true);
      instance = Modifier.isStatic(method.getModifiers()) ? null : type.getDeclaredConstructor().newInstance();
    }

    private static Method find(Class<?> type, String name) throws NoSuchMethodException {
      Method found = null;
      for (Method method : type.getMethods()) {
        boolean fits = method.getName().equals(name) && !method.isBridge() && method.getParameterCount() <= 3;
        if (fits && (found == null || method.getParameterCount() > found.getParameterCount())) found = method;
      }
      if (found == null) throw new NoSuchMethodException("No method " + name + " on class " + type.getName());
      return found;
    }

    byte[] run(byte[] event, HttpURLConnection headers) throws Exception {
      Class<?>[] types = method.getParameterTypes();
      Object[] arguments = new Object[types.length];
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      boolean streams = false;
      for (int i = 0; i < types.length; i++) {
        if (types[i] == InputStream.class) {
          arguments[i] = new ByteArrayInputStream(event);
        } else if (types[i] == OutputStream.class) {
          arguments[i] = out;
          streams = true;
        } else if (types[i].getName().equals(CORE + "Context")) {
          arguments[i] = context(types[i], headers);
        } else {
          Object value = new Json(new String(event, StandardCharsets.UTF_8)).read();
          arguments[i] = Json.as(value, method.getGenericParameterTypes()[i]);
        }
      }
      Object answer = method.invoke(instance, arguments);
      return streams ? out.toByteArray() : Json.write(answer).getBytes(StandardCharsets.UTF_8);
    }

    private static Object context(Class<?> type, HttpURLConnection headers) {
      Map<String, String> env = System.getenv();
      long deadline = Long.parseLong(headers.getHeaderField("Lambda-Runtime-Deadline-Ms"));
      return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, called, arguments) -> {
        switch (called.getName()) {
          case "getAwsRequestId": return headers.getHeaderField("Lambda-Runtime-Aws-Request-Id");
          case "getInvokedFunctionArn": return headers.getHeaderField("Lambda-Runtime-Invoked-Function-Arn");
          case "getFunctionName": return env.get("AWS_LAMBDA_FUNCTION_NAME");
          case "getFunctionVersion": return env.get("AWS_LAMBDA_FUNCTION_VERSION");
          case "getLogGroupName": return env.get("AWS_LAMBDA_LOG_GROUP_NAME");
          case "getLogStreamName": return env.get("AWS_LAMBDA_LOG_STREAM_NAME");
          case "getMemoryLimitInMB": return Integer.parseInt(env.getOrDefault("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"));
          case "getRemainingTimeInMillis": return (int) Math.max(0, deadline - System.currentTimeMillis());
          case "getLogger": return logger(called.getReturnType());
          case "toString": return "Context";
          case "hashCode": return System.identityHashCode(proxy);
          case "equals": return proxy == arguments[0];
          default: return null;
        }
      });
    }

    private static Object logger(Class<?> type) {
      return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, called, arguments) -> {
        if (called.getName().equals("log")) {
          Object text = arguments[0] instanceof byte[] ? new String((byte[]) arguments[0]) : arguments[0];
          System.out.println(text);
        }
        return null;
      });
    }
  }

  /** Reads and writes JSON, and makes Java's objects of its values. */
  private static final class Json {
    private final String text;
    private int at;

    Json(String text) {
      this.text = text;
    }

    Object read() {
      Object value = value();
      space();
      if (at < text.length()) throw new IllegalArgumentException("the event is no JSON: at " + at);
      return value;
    }

    private void space() {
      while (at < text.length() && text.charAt(at) <= ' ') at++;
    }

    private char peek() {
      space();
      if (at >= text.length()) throw new IllegalArgumentException("the event is no JSON: it ends early");
      return text.charAt(at);
    }

    private void expect(char wanted) {
      if (peek() != wanted) throw new IllegalArgumentException("the event is no JSON: no " + wanted + " at " + at);
      at++;
    }

    private Object value() {
      switch (peek()) {
        case '{': return object();
        case '[': return list();
        case '"': return string();
        default: return word();
      }
    }

    private Map<String, Object> object() {
      Map<String, Object> found = new LinkedHashMap<>();
      expect('{');
      while (peek() != '}') {
        if (!found.isEmpty()) expect(',');
        space();
        String name = string();
        expect(':');
        found.put(name, value());
      }
      at++;
      return found;
    }

    private List<Object> list() {
      List<Object> found = new ArrayList<>();
      expect('[');
      while (peek() != ']') {
        if (!found.isEmpty()) expect(',');
        found.add(value());
      }
      at++;
      return found;
    }

    private String string() {
      expect('"');
      StringBuilder out = new StringBuilder();
      for (char c = text.charAt(at++); c != '"'; c = text.charAt(at++)) {
        if (c != '\\') {
          out.append(c);
          continue;
        }
        char escaped = text.charAt(at++);
        int simple = "\"\\/bfnrt".indexOf(escaped);
        if (simple >= 0) {
          out.append("\"\\/\b\f\n\r\t".charAt(simple));
        } else {
          out.append((char) Integer.parseInt(text.substring(at, at += 4), 16));
        }
      }
      return out.toString();
    }

    private Object word() {
      int start = at;
      while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
      String word = text.substring(start, at);
      if (word.equals("null")) return null;
      if (word.equals("true") || word.equals("false")) return word.equals("true");
      if (word.matches("-?\\d{1,9}")) return Integer.valueOf(word);
      if (word.matches("-?\\d{1,18}")) return Long.valueOf(word);
      return Double.valueOf(word);
    }

    static Object as(Object value, Type wanted) throws Exception {
      if (value == null) return null;
      if (wanted instanceof ParameterizedType) return asGeneric(value, (ParameterizedType) wanted);
      if (!(wanted instanceof Class)) return value;
      Class<?> type = (Class<?>) wanted;
      if (type == Object.class || type.isInstance(value) && !(value instanceof Number)) return value;
      if (type == String.class) return value instanceof Map || value instanceof List ? write(value) : value.toString();
      if (value instanceof Number) return asNumber((Number) value, type);
      if (type == boolean.class || type == Boolean.class) return value;
      if (type.isEnum()) return constant(type, value.toString());
      if (type.isArray()) return asArray((List<?>) value, type.getComponentType());
      if (Set.class.isAssignableFrom(type)) return new LinkedHashSet<>((List<?>) value);
      if (value instanceof Map) return asBean((Map<?, ?>) value, type);
      throw new IllegalArgumentException("An error occurred during JSON parsing: " + type.getName() + " from " + value);
    }

    private static Object asGeneric(Object value, ParameterizedType wanted) throws Exception {
      Class<?> raw = (Class<?>) wanted.getRawType();
      Type[] inner = wanted.getActualTypeArguments();
      if (value instanceof Map && Map.class.isAssignableFrom(raw)) {
        Map<Object, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
          found.put(as(entry.getKey(), inner[0]), as(entry.getValue(), inner[1]));
        }
        return found;
      }
      if (value instanceof List && Collection.class.isAssignableFrom(raw)) {
        Collection<Object> found = Set.class.isAssignableFrom(raw) ? new LinkedHashSet<>() : new ArrayList<>();
        for (Object each : (List<?>) value) found.add(as(each, inner[0]));
        return found;
      }
      return as(value, raw);
    }

    private static Object asNumber(Number value, Class<?> type) {
      if (type == int.class || type == Integer.class) return value.intValue();
      if (type == long.class || type == Long.class) return value.longValue();
      if (type == double.class || type == Double.class) return value.doubleValue();
      if (type == float.class || type == Float.class) return value.floatValue();
      if (type == short.class || type == Short.class) return value.shortValue();
      if (type == byte.class || type == Byte.class) return value.byteValue();
      if (type == java.math.BigDecimal.class) return new java.math.BigDecimal(value.toString());
      if (type == java.math.BigInteger.class) return java.math.BigInteger.valueOf(value.longValue());
      if (type.isInstance(value)) return value;
      throw new IllegalArgumentException("An error occurred during JSON parsing: " + type.getName() + " from " + value);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object constant(Class<?> type, String name) {
      return Enum.valueOf((Class<? extends Enum>) type, name);
    }

    private static Object asArray(List<?> values, Class<?> type) throws Exception {
      Object array = Array.newInstance(type, values.size());
      for (int i = 0; i < values.size(); i++) Array.set(array, i, as(values.get(i), type));
      return array;
    }

    private static Object asBean(Map<?, ?> values, Class<?> type) throws Exception {
      Object bean = type.getDeclaredConstructor().newInstance();
      for (Method method : type.getMethods()) {
        if (method.getName().matches("set.+") && method.getParameterCount() == 1) {
          String name = property(method.getName().substring(3));
          if (values.get(name) != null) method.invoke(bean, as(values.get(name), method.getGenericParameterTypes()[0]));
        }
      }
      for (Field field : type.getFields()) {
        Object value = values.get(field.getName());
        if (value != null && !Modifier.isFinal(field.getModifiers())) field.set(bean, as(value, field.getGenericType()));
      }
      return bean;
    }

    private static String property(String name) {
      return Character.toLowerCase(name.charAt(0)) + name.substring(1);
    }

    static String write(Object value) throws Exception {
      StringBuilder out = new StringBuilder();
      write(value, out);
      return out.toString();
    }

    private static void write(Object value, StringBuilder out) throws Exception {
      if (value == null || value instanceof Boolean || value instanceof Number) {
        out.append(value);
      } else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum) {
        quote(value.toString(), out);
      } else if (value instanceof Map) {
        writeMap((Map<?, ?>) value, out);
      } else if (value instanceof Collection) {
        writeAll(((Collection<?>) value).toArray(), out);
      } else if (value.getClass().isArray()) {
        Object[] boxed = new Object[Array.getLength(value)];
        Arrays.setAll(boxed, i -> Array.get(value, i));
        writeAll(boxed, out);
      } else {
        writeMap(properties(value), out);
      }
    }

    private static Map<String, Object> properties(Object bean) throws Exception {
      Map<String, Object> found = new LinkedHashMap<>();
      for (Method method : bean.getClass().getMethods()) {
        String name = method.getName();
        boolean getter = method.getParameterCount() == 0 && method.getDeclaringClass() != Object.class;
        if (getter && name.matches("(get|is).+") && !Modifier.isStatic(method.getModifiers())) {
          method.setAccessible(true);
          found.put(property(name.substring(name.startsWith("is") ? 2 : 3)), method.invoke(bean));
        }
      }
      for (Field field : bean.getClass().getFields()) {
        if (!Modifier.isStatic(field.getModifiers())) found.putIfAbsent(field.getName(), field.get(bean));
      }
      return found;
    }

    private static void writeMap(Map<?, ?> map, StringBuilder out) throws Exception {
      String between = "{";
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        out.append(between);
        quote(String.valueOf(entry.getKey()), out);
        out.append(':');
        write(entry.getValue(), out);
        between = ",";
      }
      out.append(map.isEmpty() ? "{}" : "}");
    }

    private static void writeAll(Object[] values, StringBuilder out) throws Exception {
      String between = "[";
      for (Object value : values) {
        out.append(between);
        write(value, out);
        between = ",";
      }
      out.append(values.length == 0 ? "[]" : "]");
    }

    private static void quote(String text, StringBuilder out) {
      out.append('"');
      for (char c : text.toCharArray()) {
        if (c == '"' || c == '\\') {
          out.append('\\').append(c);
        } else if (c < ' ') {
          out.append(String.format("\\u%04x", (int) c));
        } else {
          out.append(c);
        }
      }
      out.append('"');
    }
  }
}
