/*
 * xml.c - a target over libxml2 as people write them: the input is a document; it is read, written again, and freed.
 *
 * libxml2 is the system's, without instrumentation; persistent mode.
 */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <unistd.h>

__AFL_FUZZ_INIT();

static void say_nothing(void *context, const char *format, ...)
{
    (void)context;
    (void)format;
}

static void take(const char *bytes, int count)
{
    xmlDoc *document = xmlReadMemory(bytes, count, "input.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOENT);
    xmlChar *text = NULL;
    int length = 0;
    if (document != NULL)
        xmlDocDumpMemory(document, &text, &length);
    xmlFree(text);
    xmlFreeDoc(document);
    xmlResetLastError();
}

int main(void)
{
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, say_nothing);
    __AFL_INIT();
    const char *input = (const char *)__AFL_FUZZ_TESTCASE_BUF;
    /* libdislocator never unmaps: after 10,000 inputs there is no room for one mapping more, and malloc gives nothing. */
    while (__AFL_LOOP(1000))
        take(input, __AFL_FUZZ_TESTCASE_LEN);
    xmlCleanupParser();
    return 0;
}
