/* net_format: one writer per format, each over the selectors in the order they were asked for. */
#include "results/net_format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "results/json_writer.h"

#define TRY(call)                                                                        \
	do {                                                                             \
		int rc_ = (call);                                                        \
		if (rc_ < 0)                                                             \
			return rc_;                                                      \
	} while (0)

static bool is_text(enum net_selector s)
{
	return !net_selectors[s].unit;
}

int net_format_value(struct buf *out, enum net_selector s, const struct net_value *v)
{
	if (!v->known)
		return 0;
	if (is_text(s))
		return buf_puts(out, v->text);
	return buf_printf(out, "%.*f", net_selectors[s].decimals, v->number);
}

/* Quoted as RFC 4180 has it, when it must be. */
static int put_cell(struct buf *out, const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")])
		return buf_puts(out, text);
	TRY(buf_putc(out, '"'));
	for (; *text; text++) {
		if (*text == '"')
			TRY(buf_putc(out, '"'));
		TRY(buf_putc(out, *text));
	}
	return buf_putc(out, '"');
}

static int format_csv(struct buf *out, const enum net_selector *asked, size_t n,
	const struct net_values *v)
{
	for (size_t i = 0; i < n; i++)
		TRY(buf_printf(out, "%s%s", i ? "," : "", net_selectors[asked[i]].name));
	TRY(buf_putc(out, '\n'));
	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf cell = BUF_INIT;

		TRY(net_format_value(&cell, asked[i], &v->of[asked[i]]));
		if (i)
			TRY(buf_putc(out, ','));
		TRY(put_cell(out, cell.data ? cell.data : ""));
	}
	return buf_putc(out, '\n');
}

/* Each column as wide as its name or its value; "-" for what is not known. */
static int format_columns(struct buf *out, const enum net_selector *asked, size_t n,
	const struct net_values *v)
{
	AUTO_BUF struct buf second = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf cell = BUF_INIT;
		const char *name = net_selectors[asked[i]].name, *value;
		size_t width, own;

		TRY(net_format_value(&cell, asked[i], &v->of[asked[i]]));
		value = cell.len ? cell.data : "-";
		width = strlen(name);
		own = text_width(value);
		/* nothing behind the last one */
		TRY(buf_printf(out, "%s%s%*s", i ? "  " : "", name,
			i + 1 < n && own > width ? (int)(own - width) : 0, ""));
		TRY(buf_printf(&second, "%s%s%*s", i ? "  " : "", value,
			i + 1 < n && width > own ? (int)(width - own) : 0, ""));
	}
	return buf_printf(out, "\n%s\n", second.data ? second.data : "");
}

static int format_keyval(struct buf *out, const enum net_selector *asked, size_t n,
	const struct net_values *v)
{
	for (size_t i = 0; i < n; i++) {
		TRY(buf_printf(out, "%s=", net_selectors[asked[i]].name));
		TRY(net_format_value(out, asked[i], &v->of[asked[i]]));
		TRY(buf_putc(out, '\n'));
	}
	return 0;
}

static int format_json(struct buf *out, const enum net_selector *asked, size_t n,
	const struct net_values *v)
{
	struct json_writer w;

	jw_init(&w, out, 0);
	jw_object(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct net_selector_info *s = &net_selectors[asked[i]];
		const struct net_value *value = &v->of[asked[i]];

		if (!value->known)
			jw_null(&w, s->name);
		else if (is_text(asked[i]))
			jw_text(&w, s->name, value->text);
		else
			jw_real(&w, s->name, value->number, s->decimals);
	}
	jw_object_end(&w);
	return w.failed ? -ENOMEM : 0;
}

int net_format(struct buf *out, enum net_format format, const enum net_selector *asked,
	size_t n, const struct net_values *v)
{
	static int (*const formats[NET_FORMATS])(struct buf *, const enum net_selector *,
		size_t, const struct net_values *) = {
		[NET_CSV] = format_csv,
		[NET_COLUMNS] = format_columns,
		[NET_KEYVAL] = format_keyval,
		[NET_JSON] = format_json,
	};

	if (n == 1 && (format == NET_CSV || format == NET_COLUMNS))
		return net_format_value(out, asked[0], &v->of[asked[0]]);
	return formats[format](out, asked, n, v);
}
