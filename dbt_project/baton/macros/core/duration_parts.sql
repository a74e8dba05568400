{# A declared duration as {n, unit, seconds}; unit is minute, hour or day. The same rule as `ml.clock.parse_duration`. #}
{% macro duration_parts(duration) %}
    {% set found = modules.re.match('^\\s*(\\d+)\\s*(minute|hour|day|week|m|h|d|w)s?\\s*$', duration | string) %}
    {% if not found %}
        {{ exceptions.raise_compiler_error("duration is '" ~ duration
            ~ "'; allowed is a whole number and minutes, hours, days or weeks: '30 days'") }}
    {% endif %}
    {% set n, letter = found.group(1) | int, found.group(2)[0] %}
    {% if letter == 'w' %}{% set n, letter = n * 7, 'd' %}{% endif %}
    {% set unit = {'m': 'minute', 'h': 'hour', 'd': 'day'}[letter] %}
    {{ return({'n': n, 'unit': unit, 'seconds': n * {'m': 60, 'h': 3600, 'd': 86400}[letter]}) }}
{% endmacro %}
