/* encode_time: seconds since 1970 as signatures and header fields have them, and back. */
#include <string.h>

#include "cloud/encode.h"

#define DAY_S 86400
/* Times past the year 9999 have no place in these formats. */
#define LAST_S UINT64_C(253402300799)

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
	"Sep", "Oct", "Nov", "Dec"};

struct civil {
	unsigned year, month, day, hour, minute, second; /* month and day from 1 */
};

/* Days since 1970 as a date and back: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"
 * (years begin in March, eras have 400 years), for years from 1970 on. */
static struct civil civil_of(uint64_t unix_s)
{
	uint64_t z = unix_s / DAY_S + 719468, era = z / 146097;
	unsigned rest = (unsigned)(unix_s % DAY_S);
	unsigned doe = (unsigned)(z - era * 146097);
	unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	unsigned mp = (5 * doy + 2) / 153;
	unsigned month = mp < 10 ? mp + 3 : mp - 9;

	return (struct civil){.year = (unsigned)era * 400 + yoe + (month <= 2),
		.month = month,
		.day = doy - (153 * mp + 2) / 5 + 1,
		.hour = rest / 3600,
		.minute = rest / 60 % 60,
		.second = rest % 60};
}

static uint64_t days_of(const struct civil *c)
{
	uint64_t year = c->year - (c->month <= 2), era = year / 400;
	uint64_t yoe = year - era * 400;
	uint64_t doy =
		(153 * (c->month > 2 ? c->month - 3 : c->month + 9) + 2) / 5 + c->day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static char *two(char *at, unsigned v)
{
	*at++ = (char)('0' + v / 10 % 10);
	*at++ = (char)('0' + v % 10);
	return at;
}

static char *word(char *at, const char *text)
{
	while (*text)
		*at++ = *text++;
	return at;
}

void encode_time_amz(uint64_t unix_s, char out[17])
{
	struct civil c = civil_of(unix_s < LAST_S ? unix_s : LAST_S);
	char *at = two(two(out, c.year / 100), c.year % 100);

	at = two(two(at, c.month), c.day);
	*at++ = 'T';
	at = two(two(two(at, c.hour), c.minute), c.second);
	*at++ = 'Z';
	*at = '\0';
}

void encode_time_http(uint64_t unix_s, char out[30])
{
	struct civil c = civil_of(unix_s < LAST_S ? unix_s : LAST_S);
	char *at = word(out, days[((unix_s < LAST_S ? unix_s : LAST_S) / DAY_S + 4) % 7]);

	at = two(word(at, ", "), c.day);
	at = word(word(word(at, " "), months[c.month - 1]), " ");
	at = word(two(two(at, c.year / 100), c.year % 100), " ");
	at = word(two(at, c.hour), ":");
	at = word(two(at, c.minute), ":");
	at = word(two(at, c.second), " GMT");
	*at = '\0';
}

void encode_time_iso(uint64_t unix_s, char out[21])
{
	struct civil c = civil_of(unix_s < LAST_S ? unix_s : LAST_S);
	char *at = word(two(two(out, c.year / 100), c.year % 100), "-");

	at = word(two(at, c.month), "-");
	at = word(two(at, c.day), "T");
	at = word(two(at, c.hour), ":");
	at = word(two(at, c.minute), ":");
	at = word(two(at, c.second), "Z");
	*at = '\0';
}

/* ---- reading ---- */

/* n digits at *at as a number; false: there are fewer. */
static bool number(const char **at, unsigned n, unsigned *ret)
{
	unsigned v = 0;

	for (; n; n--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		v = v * 10 + (unsigned)(**at - '0');
	}
	*ret = v;
	return true;
}

static bool mark(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static unsigned days_in(const struct civil *c)
{
	static const uint8_t length[12] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

	return c->month == 2 && leap ? 29 : length[c->month - 1];
}

static bool is_valid(const struct civil *c)
{
	/* 60: a leap second */
	return c->year >= 1970 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days_in(c) && c->hour < 24 && c->minute < 60 && c->second <= 60;
}

static uint64_t seconds_of(const struct civil *c)
{
	return days_of(c) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
}

/* "Z", "+01:00", "-0530" or nothing, to the end of the text. */
static bool read_offset(const char *at, int *ret_s)
{
	unsigned hours, minutes;
	int sign;

	*ret_s = 0;
	if (*at == '\0' || strcmp(at, "Z") == 0)
		return true;
	if (*at != '+' && *at != '-')
		return false;
	sign = *at++ == '-' ? -1 : 1;
	if (!number(&at, 2, &hours))
		return false;
	mark(&at, ':');
	if (!number(&at, 2, &minutes) || *at || hours > 14 || minutes > 59)
		return false;
	*ret_s = sign * (int)(hours * 3600 + minutes * 60);
	return true;
}

static bool read_iso(const char *at, uint64_t *ret)
{
	struct civil c = {0};
	uint64_t seconds;
	int offset = 0;

	if (!number(&at, 4, &c.year) || !mark(&at, '-') || !number(&at, 2, &c.month) ||
		!mark(&at, '-') || !number(&at, 2, &c.day))
		return false;
	if (*at) {
		if (!mark(&at, 'T') || !number(&at, 2, &c.hour) || !mark(&at, ':') ||
			!number(&at, 2, &c.minute))
			return false;
		if (mark(&at, ':') && !number(&at, 2, &c.second))
			return false;
		if (mark(&at, '.'))
			at += strspn(at, "0123456789");
		if (!read_offset(at, &offset))
			return false;
	}
	if (!is_valid(&c))
		return false;
	seconds = seconds_of(&c);
	if (offset > 0 && seconds < (uint64_t)offset)
		return false;
	*ret = seconds - (uint64_t)(int64_t)offset;
	return true;
}

/* IMF-fixdate of RFC 9110: the one form that is sent today. */
static bool read_http(const char *at, uint64_t *ret)
{
	struct civil c = {0};

	if (strlen(at) != 29 || memcmp(at + 3, ", ", 2) != 0)
		return false;
	at += 5;
	if (!number(&at, 2, &c.day) || !mark(&at, ' '))
		return false;
	for (unsigned i = 0; i < 12; i++)
		if (memcmp(at, months[i], 3) == 0)
			c.month = i + 1;
	at += 3;
	if (!mark(&at, ' ') || !number(&at, 4, &c.year) || !mark(&at, ' ') ||
		!number(&at, 2, &c.hour) || !mark(&at, ':') ||
		!number(&at, 2, &c.minute) || !mark(&at, ':') ||
		!number(&at, 2, &c.second) || strcmp(at, " GMT") != 0 || !is_valid(&c))
		return false;
	*ret = seconds_of(&c);
	return true;
}

bool decode_time(const char *text, uint64_t *ret_unix_s)
{
	return read_iso(text, ret_unix_s) || read_http(text, ret_unix_s);
}
