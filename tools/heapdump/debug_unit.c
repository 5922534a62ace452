/* debug_unit.c - see debug_unit.h */
#include "debug_unit.h"

#include "bytes.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_INLINED = 255, MOST_NESTED_SCOPES = 64 };

/* ---- the index of functions ---- */

/*
 * Step to the sibling. False: there is none. A sibling lies behind: without that check a damaged
 * DW_AT_sibling would walk in circles.
 */
static bool next_sibling(Dwarf_Die *die)
{
    Dwarf_Off here = dwarf_dieoffset(die);
    Dwarf_Die next;
    if (dwarf_siblingof(die, &next) != 0 || dwarf_dieoffset(&next) <= here)
        return false;
    *die = next;
    return true;
}

/*
 * Functions stand in namespaces; in functions, inlined ones too, stand nested functions and local
 * classes with their methods (each lambda is one). Other classes hold declarations only: the
 * functions themselves stand outside.
 */
static bool may_hold_functions(int tag, bool is_in_function)
{
    switch (tag) {
    case DW_TAG_subprogram:
        return true;
    case DW_TAG_namespace:
    case DW_TAG_module:
        return !is_in_function;
    case DW_TAG_lexical_block:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
        return is_in_function;
    default:
        return false;
    }
}

static void add_functions_in(struct debug_ranges *functions, Dwarf_Die *parent, bool is_in_function,
                             unsigned depth)
{
    Dwarf_Die die;
    if (depth == MOST_NESTED_SCOPES || dwarf_child(parent, &die) != 0)
        return;
    do {
        int tag = dwarf_tag(&die);
        bool is_function = tag == DW_TAG_subprogram;
        if (is_function)
            debug_ranges_add(functions, &die);
        if (may_hold_functions(tag, is_in_function))
            add_functions_in(functions, &die, is_in_function || is_function, depth + 1);
    } while (next_sibling(&die));
}

/* The half of a split unit that lies in a .dwo file; else the unit itself. */
static Dwarf_Die code_of(const Dwarf_Die *die)
{
    Dwarf_Die split;
    uint8_t type;
    bool is_skeleton = dwarf_cu_info(die->cu, NULL, &type, NULL, &split, NULL, NULL, NULL) == 0 &&
                       type == DW_UT_skeleton && dwarf_tag(&split) != DW_TAG_invalid;
    return is_skeleton ? split : *die;
}

struct debug_unit *debug_unit_open(const Dwarf_Die *die)
{
    struct debug_unit *unit = heapdump_grow(NULL, 1, sizeof *unit);
    *unit = (struct debug_unit){.lines = *die, .code = code_of(die)};
    add_functions_in(&unit->functions, &unit->code, false, 0);
    debug_ranges_sort(&unit->functions);
    return unit;
}

void debug_unit_close(struct debug_unit *unit)
{
    debug_ranges_free(&unit->functions);
    free(unit);
}

/* ---- what is at an address ---- */

static bool find_function(struct debug_unit *unit, Dwarf_Addr pc, Dwarf_Die *function)
{
    const struct debug_range *range = debug_ranges_find(&unit->functions, pc);
    return range != NULL && dwarf_offdie(dwarf_cu_getdwarf(unit->code.cu), range->die, function) != NULL;
}

static bool may_hold_inlined(Dwarf_Die *die)
{
    switch (dwarf_tag(die)) {
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
    case DW_TAG_with_stmt:
        return true;
    default:
        return false;
    }
}

/* Step from `scope` into its part that holds `pc`. False: there is none. */
static bool enter_scope(Dwarf_Die *scope, Dwarf_Addr pc)
{
    Dwarf_Die die;
    if (dwarf_child(scope, &die) != 0)
        return false;
    do {
        if (may_hold_inlined(&die) && dwarf_haspc(&die, pc) > 0) {
            *scope = die;
            return true;
        }
    } while (next_sibling(&die));
    return false;
}

/* The functions inlined at `pc`, outermost first. Returns how many. */
static size_t find_inlined(const Dwarf_Die *function, Dwarf_Addr pc, Dwarf_Die *inlined, size_t capacity)
{
    size_t count = 0;
    Dwarf_Die scope = *function;
    while (count < capacity && enter_scope(&scope, pc))
        if (dwarf_tag(&scope) == DW_TAG_inlined_subroutine)
            inlined[count++] = scope;
    return count;
}

/* ---- names and places ---- */

static bool is_cplusplus(const Dwarf_Die *die)
{
    Dwarf_Die unit = *die;
    switch (dwarf_cu_die(die->cu, &unit, NULL, NULL, NULL, NULL, NULL, NULL) == NULL
                ? -1
                : dwarf_srclang(&unit)) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
        return true;
    default:
        return false;
    }
}

static void set_function(struct source_frame *frame, Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    frame->function = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attribute));
    if (frame->function == NULL)
        frame->function =
            dwarf_formstring(dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attribute));
    if (frame->function != NULL)
        return;
    frame->function = dwarf_diename(die);
    frame->is_short_name = is_cplusplus(die);
}

static void set_file(struct source_frame *frame, Dwarf_Die *unit, const char *file)
{
    if (file == NULL || file[0] == '\0' || strcmp(file, "???") == 0)
        return;
    Dwarf_Attribute attribute;
    frame->file = file;
    if (file[0] == '/')
        return;
    const char *directory = dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute));
    if (directory != NULL && directory[0] == '/')
        frame->directory = directory;
}

/* Where the code at `pc` itself comes from. */
static void set_line(struct source_frame *frame, struct debug_unit *unit, Dwarf_Addr pc)
{
    int number = 0;
    int column = 0;
    Dwarf_Line *line = dwarf_getsrc_die(&unit->lines, pc);
    if (line == NULL)
        return;
    set_file(frame, &unit->lines, dwarf_linesrc(line, NULL, NULL));
    if (frame->file == NULL || dwarf_lineno(line, &number) != 0 || number <= 0)
        return;
    frame->line = (uint32_t)number;
    if (dwarf_linecol(line, &column) == 0 && column > 0)
        frame->column = (uint32_t)column;
}

static uint32_t call_number(Dwarf_Die *inlined, unsigned name)
{
    Dwarf_Attribute attribute;
    Dwarf_Word value;
    if (dwarf_formudata(dwarf_attr(inlined, name, &attribute), &value) != 0 || value > UINT32_MAX)
        return 0;
    return (uint32_t)value;
}

/* Where `inlined` is called in the function that it is inlined into. */
static void set_call(struct source_frame *frame, struct debug_unit *unit, Dwarf_Die *inlined)
{
    Dwarf_Files *files;
    size_t count;
    uint32_t file = call_number(inlined, DW_AT_call_file);
    if (dwarf_getsrcfiles(&unit->code, &files, &count) != 0 || file >= count)
        return;
    set_file(frame, &unit->lines, dwarf_filesrc(files, file, NULL, NULL));
    frame->line = call_number(inlined, DW_AT_call_line);
    frame->column = frame->line != 0 ? call_number(inlined, DW_AT_call_column) : 0;
}

size_t debug_unit_locate(struct debug_unit *unit, Dwarf_Addr pc, struct source_frame *frames,
                         size_t capacity)
{
    Dwarf_Die inlined[MOST_INLINED];
    Dwarf_Die function;
    bool is_found = find_function(unit, pc, &function);
    size_t most = capacity - 1 < MOST_INLINED ? capacity - 1 : MOST_INLINED;
    size_t count = is_found ? find_inlined(&function, pc, inlined, most) : 0;

    memset(frames, 0, (count + 1) * sizeof *frames);
    set_line(&frames[0], unit, pc);
    for (size_t i = 0; i < count; i++) {
        Dwarf_Die *callee = &inlined[count - 1 - i];
        set_function(&frames[i], callee);
        set_call(&frames[i + 1], unit, callee);
    }
    if (is_found)
        set_function(&frames[count], &function);
    return !is_found && frames[0].file == NULL ? 0 : count + 1;
}
