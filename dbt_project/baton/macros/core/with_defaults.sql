{# A declared product with every optional field filled in; a field that is null counts as declared. The same defaults as `ml.parameters` reads. #}
{% macro with_defaults(spec, name) %}
    {% set decide = spec.get('decide') or {} %}
    {% set monitor = dict({'windows': ['1d', '7d', '28d'], 'min_n': 30, 'floors': [], 'drift': {}}, **spec.get('monitor', {})) %}
    {% set floors = [] %}
    {% for floor in monitor.floors %}
        {% do floors.append(dict({'basis': 'matured', 'at_least': none, 'at_most': none, 'severity': 'error', 'min_n': monitor.min_n}, **floor)) %}
    {% endfor %}
    {% set until = monitor.drift.get('reference_until') %}
    {% do monitor.update(floors=floors, drift=dict(dict({'q': 0.01, 'k': 2, 'of': 3, 'windows': ['1d'], 'severity': 'warn'}, **monitor.drift),
        reference_until=none if until is none else until | string),
        delay=dict({'min_share': 0.05, 'min_positives': 30}, **monitor.get('delay', {}))) %}
    {% set filled = dict({'clock': 'wall', 'slices': [], 'holdout': 0, 'train': none, 'metrics': {}}, **spec) %}
    {% do filled.update(
        name=name,
        outcome=dict({'positive': 'event', 'grace': '0 days', 'delay_by': []}, **spec.outcome),
        decide={'per': decide.get('per') or spec.outcome.horizon, 'policy': decide.get('policy', 'first')},
        monitor=monitor,
        metrics=baton.metrics_with_defaults(filled)
    ) %}
    {% if filled.get('value') %}{% do filled.update(value=dict({'currency': 'USD'}, **filled.value)) %}{% endif %}
    {% if filled.train is not none %}{% do filled.update(train=baton.train_with_defaults(filled.train)) %}{% endif %}
    {{ return(filled) }}
{% endmacro %}

{# `train` with every default. No SQL depends on it yet; it is filled in so that a product reads the same wherever it is read. #}
{% macro train_with_defaults(train) %}
    {% set filled = dict({'candidates': {'logistic_regression': {}, 'hist_gradient_boosting': {}}, 'metric': 'value', 'split': {},
        'cadence': '7 days', 'rehearse': '120 days', 'promote': {}}, **train) %}
    {% do filled.update(
        split=dict({'validation': '60 days', 'test': '60 days'}, **filled.split),
        promote=dict({'margin': 0, 'min_matured': 500, 'min_positives': 50}, **filled.promote)
    ) %}
    {{ return(filled) }}
{% endmacro %}

{# `metrics` with every default: entity and slices are the product's, a row counts 1, a total has no denominator. #}
{% macro metrics_with_defaults(spec) %}
    {% set filled = {} %}
    {% for name, metric in spec.metrics.items() %}
        {% do filled.update({name: dict({'at': 'as_of', 'kind': 'ratio', 'denominator': none if metric.get('kind') == 'total' else '1', 'entity': spec.entity,
            'slices': spec.slices, 'where': none}, **metric)}) %}
    {% endfor %}
    {{ return(filled) }}
{% endmacro %}
