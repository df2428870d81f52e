/**
 * Drives a broker with Apache Kafka's own clients.
 *
 * <pre>
 * Driver BOOTSTRAP CASE-OR-AREA...    PASS NAME SECONDS, or FAIL NAME SECONDS MESSAGE, one line each
 * Driver --list                       NAME AREA fixed|full
 * </pre>
 *
 * An area stands for its fixed cases, or for all of them when MILENA_CONFORMANCE_FULL is set.
 */
public final class Driver {
    private Driver() {}

    public static void main(String[] arguments) {
        ProduceCases.register();
        ConsumeCases.register();
        GroupCases.register();
        AdminCases.register();
        TransactionCases.register();
        ConsumerGroupCases.register();
        if (arguments[0].equals("--list")) {
            for (Harness.Case one : Harness.CASES) {
                System.out.println(one.name() + " " + one.area() + " " + (one.full() ? "full" : "fixed"));
            }
            return;
        }
        // Threads of a client that failed may never end.
        Runtime.getRuntime().halt(Harness.run(arguments));
    }
}
